/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which form new layers are written. Tar form: layers/<hex>.tar, the layer's tar, and <hex>.erofs, its index
 * (cache/erofs.h), which the kernel mounts. Tree form: a directory layers/<hex>. Both give the same digests, both
 * are read whatever the form of the day is.
 */
#ifndef CACHE_LAYER_FORM_H
#define CACHE_LAYER_FORM_H

#include "cache/store.h"

enum layer_form { LAYER_FORM_UNKNOWN, LAYER_FORM_TREE, LAYER_FORM_TAR };

/* What the store's file system, the kernel and this user allow, found out by trying, once per open store;
 * TARE_LAYER_FORM=tree or tar decides instead. Errors: ERR_USAGE (another word in it), ERR_SYS (store_dir()). */
NODISCARD int layer_form(struct store *s, enum layer_form *ret, struct err *e);

#endif
