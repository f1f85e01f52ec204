/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as a JSON tree, by libfyaml; plain scalars have the types of YAML 1.2's core schema. */
#include <libfyaml.h>

#include "runtime/container/cdi.h"

#define NODES_MAX 100000	/* aliases count each time: a small text cannot become a large tree */
#define DEPTH_MAX 32

struct convert {
	size_t nodes;
	struct err *e;
};

static json_t *convert_node(struct convert *c, struct fy_node *n, int depth);

static json_t *plain_scalar(const char *s, size_t n)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	static const char *const trues[] = { "true", "True", "TRUE" }, *const falses[] = { "false", "False", "FALSE" };
	struct str t = { s, n }, digits = t;
	uint64_t u;

	for (size_t i = 0; i < countof(nulls); i++)
		if (str_is(t, nulls[i]))
			return json_null();
	for (size_t i = 0; i < countof(trues); i++)
		if (str_is(t, trues[i]) || str_is(t, falses[i]))
			return json_boolean(str_is(t, trues[i]));
	if (n > 1 && (*s == '-' || *s == '+'))
		digits = str_sub(t, 1, n);
	if (str_starts(t, "0o") ? str_to_u64(str_sub(t, 2, n), 8, &u) :
	    str_starts(t, "0x") ? str_to_u64(str_sub(t, 2, n), 16, &u) : str_to_u64(digits, 10, &u))
		return u > INT64_MAX ? json_stringn(s, n) : json_integer(*s == '-' ? -(json_int_t)u : (json_int_t)u);
	return json_stringn(s, n);
}

static json_t *convert_scalar(struct convert *c, struct fy_node *n)
{
	size_t len = 0;
	const char *s = fy_node_get_scalar(n, &len);
	json_t *ret;

	if (!s)
		return json_null();
	ret = fy_node_get_style(n) == FYNS_PLAIN ? plain_scalar(s, len) : json_stringn(s, len);
	if (!ret)
		err_set(c->e, ERR_USAGE, "a text is not UTF-8");
	return ret;
}

static json_t *convert_sequence(struct convert *c, struct fy_node *n, int depth)
{
	json_t *ret = json_array(), *item;
	struct fy_node *sub;
	void *iter = NULL;

	while ((sub = fy_node_sequence_iterate(n, &iter))) {
		item = convert_node(c, sub, depth);
		if (!item || json_array_append_new(ret, item) < 0) {
			json_decref(ret);
			return NULL;
		}
	}
	return ret;
}

static json_t *convert_mapping(struct convert *c, struct fy_node *n, int depth)
{
	json_t *ret = json_object(), *item = NULL;
	struct fy_node_pair *pair;
	void *iter = NULL;

	while ((pair = fy_node_mapping_iterate(n, &iter))) {
		struct fy_node *key = fy_node_pair_key(pair);
		size_t len = 0;
		const char *s = key && fy_node_is_scalar(key) ? fy_node_get_scalar(key, &len) : NULL;
		auto_free char *name = s ? xstrndup(s, len) : NULL;

		if (!name)
			err_set(c->e, ERR_USAGE, "a key is not a text");
		item = name ? convert_node(c, fy_node_pair_value(pair), depth) : NULL;
		if (!item || json_object_set_new(ret, name, item) < 0) {
			if (item)
				err_set(c->e, ERR_USAGE, "a key is not UTF-8");
			json_decref(ret);
			return NULL;
		}
	}
	return ret;
}

static json_t *convert_node(struct convert *c, struct fy_node *n, int depth)
{
	if (++c->nodes > NODES_MAX || depth > DEPTH_MAX) {
		err_set(c->e, ERR_LIMIT, "too many values, or too deep");
		return NULL;
	}
	if (n && fy_node_is_alias(n) && !(n = fy_node_resolve_alias(n))) {
		err_set(c->e, ERR_USAGE, "an alias of nothing");
		return NULL;
	}
	if (!n)
		return json_null();
	if (fy_node_is_mapping(n))
		return convert_mapping(c, n, depth + 1);
	if (fy_node_is_sequence(n))
		return convert_sequence(c, n, depth + 1);
	return convert_scalar(c, n);
}

/* The first complaint of the parser, without its colours and context. */
static void first_error(struct fy_diag *diag, struct err *e)
{
	struct fy_diag_error *err;
	void *iter = NULL;

	err = fy_diag_errors_iterate(diag, &iter);
	if (err)
		err_set(e, ERR_USAGE, "line %d, column %d: %s", err->line, err->column, err->msg);
	else
		err_set(e, ERR_USAGE, "not YAML");
}

int cdi_parse(struct str text, json_t **ret, struct err *e)
{
	struct fy_diag_cfg dc;
	struct fy_diag *diag;
	struct fy_document *doc;
	struct convert c = { .e = e };
	json_t *tree = NULL;

	fy_diag_cfg_default(&dc);
	dc.fp = NULL;
	dc.colorize = false;
	diag = fy_diag_create(&dc);
	fy_diag_set_collect_errors(diag, true);
	doc = fy_document_build_from_string(&(struct fy_parse_cfg){ .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG, .diag = diag },
					    text.p, text.n);
	if (!doc)
		first_error(diag, e);
	else
		tree = convert_node(&c, fy_document_root(doc), 0);
	fy_document_destroy(doc);
	fy_diag_destroy(diag);
	if (!tree)
		return -1;
	*ret = tree;
	return 0;
}
