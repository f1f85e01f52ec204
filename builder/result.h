/* SPDX-License-Identifier: Apache-2.0 */
/* Results as chains of layers: opening them, mounting them, their chain IDs. */
#ifndef BUILDER_RESULT_H
#define BUILDER_RESULT_H

#include "builder/graph.h"

struct snapshot;

/* The tree that v's operation starts from; NULL: an empty one. */
const struct result *vertex_root(const struct vertex *v);
/* The layers below and in r, base first, opened; n is 0 for an empty tree. *ret is freed by the caller,
 * the handles stay r's. Errors: ERR_CORRUPT if a stored layer is gone. */
NODISCARD int result_layers(struct work *w, const struct result *r, struct layer ***ret, size_t *n,
			    struct err *e);
/* Mount r's tree (r NULL: an empty one), writable or not. Free with snapshot_free(). */
NODISCARD int result_mount(struct work *w, const struct result *r, bool rw, struct snapshot **ret,
			   struct err *e);
/* Tell a result from its stored layer. parent may be NULL. */
void result_stored(struct result *r, const struct result *parent, const struct digest *diff_id,
		   int64_t created_ns);
/* Complete r once its layer is sealed. */
void result_seal(struct result *r);
/* Are all layers of r sealed? r may be NULL. */
bool result_sealed(const struct result *r);
/* The chain ID of r's layers, all sealed; false if there is no layer at all. */
bool result_chain(const struct result *r, struct digest *ret);
/* The chain ID as text, "empty" for a tree without layers. */
const char *result_chain_text(const struct result *r, char ret[static DIGEST_TEXT_MAX]);

#endif
