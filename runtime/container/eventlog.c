/* SPDX-License-Identifier: Apache-2.0 */
/* Appending to the log of events. */
#include "runtime/container/eventlog.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cache/store.h"
#include "runtime/container/container.h"

#define SIZE_MAX_BYTES (4 << 20)

static void append(struct store *s, const char *line)
{
	auto_fd int fd = openat(store_dirfd(s), EVENTLOG_NAME, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return;
	(void)!write(fd, line, strlen(line));	/* one write: lines of several processes do not mix */
	if (fstat(fd, &st) == 0 && st.st_size > SIZE_MAX_BYTES)
		(void)renameat(store_dirfd(s), EVENTLOG_NAME, store_dirfd(s), EVENTLOG_NAME ".1");
}

void event_log_add(struct store *s, const char *type, const char *action, const char *id, json_t *attrs)
{
	int64_t now = clock_now_ns();
	json_t *o = json_pack("{s:s, s:s, s:{s:s, s:o}, s:s, s:I, s:I}", "Type", type, "Action", action, "Actor", "ID", id,
			      "Attributes", attrs ? attrs : json_object(), "scope", "local", "time",
			      (json_int_t)(now / 1000000000), "timeNano", (json_int_t)now);
	auto_free char *text = o ? json_dumps(o, JSON_COMPACT) : NULL, *line = text ? xasprintf("%s\n", text) : NULL;

	json_decref(o);
	if (line)
		append(s, line);
}

void event_log_container(const struct container *c, const char *action, json_t *attrs)
{
	json_t *labels = json_object_get(json_object_get(c->config, "Config"), "Labels");
	json_t *o = attrs ? attrs : json_object();

	json_object_update_missing(o, labels ? labels : json_object_get(c->config, "Labels"));
	json_object_set_new(o, "image", json_string(container_text(c, "Config", "Image", NULL)));
	json_object_set_new(o, "name", json_string(c->name));
	event_log_add(c->store, "container", action, c->id, o);
}
