/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Build keys. A vertex has a definition key (its operation and the definition keys of its inputs,
 * known before anything runs) and a content key (its operation, the chain ID of its root and the
 * digest of exactly the files it reads, known once its inputs are solved). Both lead to the same
 * result; same bytes upstream re-join the cache by the second.
 */
#ifndef BUILDER_KEY_H
#define BUILDER_KEY_H

#include "builder/work.h"

/* Set v->op_key and v->def_key; the inputs' are set. Walks the build context where v reads it. */
NODISCARD int key_define(struct work *w, struct vertex *v, struct err *e);
/* Set v->content_key; the inputs are solved and v->in[0] is sealed. */
NODISCARD int key_content(struct work *w, struct vertex *v, struct err *e);

#endif
