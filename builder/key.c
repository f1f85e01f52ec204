/* SPDX-License-Identifier: Apache-2.0 */
/* Build keys: definition first, content second. */
#include "builder/key.h"

#include "builder/result.h"

/* Bump when the meaning of a key or the bytes of a layer change. */
#define KEY_VERSION "tare-key-1"

static void key_begin(struct hasher *h, const char *what, const struct vertex *v)
{
	hasher_init(h, HASH_SHA256);
	hasher_cstr(h, KEY_VERSION);
	hasher_cstr(h, what);
	hasher_update(h, v->op_key.b, hash_size(v->op_key.alg));
}

int key_define(struct work *w, struct vertex *v, struct err *e)
{
	struct hasher h;

	hasher_init(&h, HASH_SHA256);
	hasher_cstr(&h, KEY_VERSION);
	hasher_cstr(&h, v->op->name);
	v->op->digest(w, v, &h);
	v->op_key = digest_final(&h);
	key_begin(&h, "definition", v);
	for (size_t i = v->detached; i < v->nin; i++) {
		hasher_u64(&h, v->in[i] != NULL);
		if (v->in[i])
			hasher_update(&h, v->in[i]->def_key.b, hash_size(v->in[i]->def_key.alg));
	}
	if (v->context && v->op->content(w, v, false, &h, e) < 0)
		return -1;
	v->def_key = digest_final(&h);
	return 0;
}

int key_content(struct work *w, struct vertex *v, struct err *e)
{
	char chain[DIGEST_TEXT_MAX];
	struct hasher h;

	key_begin(&h, "content", v);
	hasher_cstr(&h, result_chain_text(vertex_root(v), chain));
	if (v->op->content && v->op->content(w, v, true, &h, e) < 0)
		return -1;
	v->content_key = digest_final(&h);
	v->has_content = true;
	return 0;
}
