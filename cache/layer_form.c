/* SPDX-License-Identifier: Apache-2.0 */
/* The choice between tree form and tar form. */
#include "cache/layer_form.h"

#include <stdlib.h>

#include "base/str.h"
#include "cache/erofs.h"

static int forced(const char *word, enum layer_form *ret, struct err *e)
{
	if (strcmp(word, "tree") != 0 && strcmp(word, "tar") != 0)
		return err_set(e, ERR_USAGE, "TARE_LAYER_FORM is \"%s\"; it may be tree or tar", word);
	*ret = strcmp(word, "tar") == 0 ? LAYER_FORM_TAR : LAYER_FORM_TREE;
	return 0;
}

int layer_form(struct store *s, enum layer_form *ret, struct err *e)
{
	const char *word = getenv("TARE_LAYER_FORM");
	auto_err struct err why = { 0 };
	int form = atomic_load(store_layer_form(s)), dir;

	if (form != LAYER_FORM_UNKNOWN) {
		*ret = (enum layer_form)form;
		return 0;
	}
	if (word && *word && forced(word, ret, e) < 0)
		return -1;
	if (!word || !*word) {
		dir = store_dir(s, STORE_LAYERS, e);
		if (dir < 0)
			return -1;
		*ret = erofs_try(dir, &why) == 0 ? LAYER_FORM_TAR : LAYER_FORM_TREE;
	}
	atomic_store(store_layer_form(s), (int)*ret);
	return 0;
}
