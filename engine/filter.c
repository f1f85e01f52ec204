/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of list and prune commands. */
#include "engine/filter.h"

static struct str key_of(const char *filter, struct str *value)
{
	*value = str_of(filter);
	return str_cut(value, '=');
}

int filter_check(const struct strv *filters, const char *const *keys, struct err *e)
{
	for (size_t i = 0; i < filters->n; i++) {
		struct str value, key = key_of(filters->v[i], &value);
		bool known = false;

		for (size_t k = 0; keys[k]; k++)
			known = known || str_is(key, keys[k]);
		if (!value.p)
			return err_set(e, ERR_USAGE, "invalid argument \"%s\" for \"--filter\": it must be KEY=VALUE",
				       filters->v[i]);
		if (!known)
			return err_set(e, ERR_USAGE, "invalid filter '" STR_FMT "'", STR_ARG(key));
	}
	return 0;
}

int filter_check_bool(const struct strv *filters, const char *name, struct err *e)
{
	for (size_t i = 0; i < filters->n; i++) {
		struct str value, key = key_of(filters->v[i], &value);

		if (str_is(key, name) && !str_is(value, "true") && !str_is(value, "false") && !str_is(value, "1") &&
		    !str_is(value, "0"))
			return err_set(e, ERR_USAGE, "invalid filter '%s=" STR_FMT "'", name, STR_ARG(value));
	}
	return 0;
}

bool filter_match(const struct strv *filters, bool (*match)(void *arg, struct str key, struct str value), void *arg)
{
	for (size_t i = 0; i < filters->n; i++) {
		struct str value, key = key_of(filters->v[i], &value), other;
		bool any = match(arg, key, value);

		for (size_t k = 0; k < filters->n && !any && !str_starts(key, "label"); k++)
			any = str_eq(key_of(filters->v[k], &other), key) && match(arg, key, other);
		if (!any)
			return false;
	}
	return true;
}
