/* SPDX-License-Identifier: Apache-2.0 */
/* Images as inputs: no work to do, only layers to name. */
#include "builder/op_image.h"

#include "builder/result.h"
#include "builder/work.h"

struct image_op {
	const char *name;
	struct digest manifest;
};

static void image_digest(struct work *w, struct vertex *v, struct hasher *h)
{
	const struct image_op *op = v->data;
	char chain[DIGEST_TEXT_MAX], manifest[DIGEST_TEXT_MAX];

	hasher_cstr(h, result_chain_text(&v->result, chain));
	vertex_input(w, v, "base", "%s %s", op->name, digest_text(&op->manifest, manifest));
}

static const struct op_type image_type = { .name = "image", .digest = image_digest };

struct vertex *op_image_add(struct graph *g, const struct config *c, const char *name,
			    const struct digest *manifest)
{
	struct image_op *op = arena_new(&g->arena, struct image_op);
	struct vertex *v = graph_add(g, &image_type, op, NULL, 0);
	size_t n = config_diff_ids(c);
	const struct result *below = NULL;

	op->name = arena_strdup(&g->arena, name);
	op->manifest = *manifest;
	v->nbase = n ? n - 1 : 0;
	v->base = arena_array(&g->arena, struct result, n + 1);
	for (size_t i = 0; i < n; i++) {
		struct digest d = config_diff_id(c, i);
		struct result *r = i + 1 < n ? &v->base[i] : &v->result;

		result_stored(r, below, &d, 0);
		below = r;
	}
	v->result.sealed = true;
	return v;
}
