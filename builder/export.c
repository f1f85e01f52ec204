/* SPDX-License-Identifier: Apache-2.0 */
/* History and times as BuildKit writes them: a layer's time is when it was made, also when it was cached. */
#include "builder/export.h"

#include "base/clock.h"

static int64_t clamp(const struct lowered *l, int64_t ns)
{
	return l->epoch >= 0 ? MIN(ns, l->epoch * 1000000000) : ns;
}

/* Metadata before the first new layer: the base's last time, else that layer's, else now. */
static int64_t first_time(const struct lowered *l)
{
	size_t n = config_histories(l->config);

	while (n-- > 0) {
		struct config_history h = config_history(l->config, n);

		if (h.has_created)
			return h.created_ns;
	}
	for (size_t i = 0; i < l->nhistory; i++)
		if (l->history[i].vertex && l->history[i].vertex->result.created_ns)
			return l->history[i].vertex->result.created_ns;
	return clock_now_ns();
}

void export_config(struct lowered *l)
{
	int64_t time = first_time(l);

	for (size_t i = 0; i < l->nhistory; i++) {
		const struct history_entry *h = &l->history[i];

		if (h->vertex) {
			config_add_diff_id(l->config, &h->vertex->result.diff_id);
			if (h->vertex->result.created_ns)
				time = h->vertex->result.created_ns;
		}
		config_add_history(l->config, &(struct config_history){
			.has_created = true, .created_ns = clamp(l, time), .created_by = h->text,
			.comment = HISTORY_COMMENT, .empty_layer = !h->vertex });
	}
	config_set_created(l->config, clamp(l, time));
}
