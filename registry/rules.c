/* SPDX-License-Identifier: Apache-2.0 */
/* registries.conf, version 2. Spec: containers-registries.conf(5). */
#include "registry/hosts_int.h"

static void rule_done(struct rule *r)
{
	for (size_t i = 0; i < r->nmirrors; i++)
		free(r->mirrors[i].location);
	free(r->mirrors);
	free(r->prefix);
	free(r->location);
	free(r->source);
}

void rules_done(struct rules *r)
{
	for (size_t i = 0; i < r->n; i++)
		rule_done(&r->v[i]);
	free(r->v);
	strv_done(&r->search);
	json_decref(r->aliases);
	*r = (struct rules){ 0 };
}

static bool location_ok(const char *s)
{
	return s && *s && !strstr(s, "://") && !strpbrk(s, " \t@?#") && s[strlen(s) - 1] != '/';
}

static int mirror_parse(struct rule *r, const json_t *m, bool digest_only, struct err *e)
{
	const char *location = json_string_value(json_object_get(m, "location"));
	const char *pull = json_string_value(json_object_get(m, "pull-from-mirror"));
	int can = digest_only ? HOST_PULL : HOST_PULL | HOST_RESOLVE;

	if (!location_ok(location))
		return err_set(e, ERR_USAGE, "a mirror of %s has no valid location (\"host[:port][/path]\")", r->prefix);
	if (pull && strcmp(pull, "digest-only") == 0)
		can = HOST_PULL;
	else if (pull && strcmp(pull, "tag-only") == 0)
		can = HOST_RESOLVE;
	else if (pull && strcmp(pull, "all") != 0)
		return err_set(e, ERR_USAGE, "pull-from-mirror = \"%s\": it is all, digest-only or tag-only", pull);
	r->mirrors = xrealloc(r->mirrors, (r->nmirrors + 1) * sizeof(*r->mirrors));
	r->mirrors[r->nmirrors++] = (struct rule_mirror){
		.location = xstrdup(location), .insecure = json_is_true(json_object_get(m, "insecure")), .can = can,
	};
	return 0;
}

static int rule_parse(const json_t *t, const char *source, struct rule *r, struct err *e)
{
	const char *prefix = json_string_value(json_object_get(t, "prefix"));
	const char *location = json_string_value(json_object_get(t, "location"));
	bool digest_only = json_is_true(json_object_get(t, "mirror-by-digest-only")), wild;
	json_t *mirrors = json_object_get(t, "mirror"), *m;
	size_t i;

	if (!prefix || !*prefix)
		prefix = location;
	wild = prefix && strncmp(prefix, "*.", 2) == 0;
	if (!location_ok(prefix) || (location && *location && !location_ok(location)))
		return err_set(e, ERR_USAGE, "a registry has neither a valid prefix nor a location (\"host[:port][/path]\")");
	r->prefix = xstrdup(prefix);
	r->location = location && *location ? xstrdup(location) : wild ? NULL : xstrdup(prefix);
	r->insecure = json_is_true(json_object_get(t, "insecure"));
	r->blocked = json_is_true(json_object_get(t, "blocked"));
	r->source = xstrdup(source);
	json_array_foreach(mirrors, i, m)
		if (mirror_parse(r, m, digest_only, e) < 0)
			return -1;
	return 0;
}

static void rules_put(struct rules *r, struct rule *new)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->v[i].prefix, new->prefix) == 0) {
			rule_done(&r->v[i]);
			r->v[i] = *new;
			return;
		}
	r->v = xrealloc(r->v, (r->n + 1) * sizeof(*r->v));
	r->v[r->n++] = *new;
}

int rules_parse(struct rules *r, const json_t *file, const char *source, struct err *e)
{
	json_t *registries = json_object_get(file, "registry"), *t;
	json_t *search = json_object_get(file, "unqualified-search-registries");
	json_t *aliases = json_object_get(file, "aliases");
	size_t i;

	if (json_object_get(file, "registries"))
		return err_set(e, ERR_USAGE, "%s: this is the old form (version 1) of registries.conf", source);
	json_array_foreach(registries, i, t) {
		struct rule rule = { 0 };

		if (rule_parse(t, source, &rule, e) < 0) {
			rule_done(&rule);
			return err_wrap(e, "%s", source);
		}
		rules_put(r, &rule);
	}
	if (json_is_array(search)) {
		strv_done(&r->search);
		r->searches = true;
		json_array_foreach(search, i, t)
			if (json_is_string(t))
				strv_add(&r->search, json_string_value(t));
	}
	if (json_is_object(aliases)) {
		if (!r->aliases)
			r->aliases = json_object();
		json_object_update(r->aliases, aliases);
	}
	return 0;
}

/* How much of name the prefix covers, -1: not its prefix. A prefix "*.h" covers each host beneath h. */
static ptrdiff_t covers(const char *prefix, const char *name)
{
	struct str host = str_of(name), rest = host;
	size_t n = strlen(prefix), base;

	if (strncmp(prefix, "*.", 2) != 0)
		return strncmp(prefix, name, n) == 0 && (name[n] == 0 || name[n] == '/') ? (ptrdiff_t)n : -1;
	host = str_cut(&rest, '/');
	base = strcspn(prefix + 1, "/");
	if (host.n <= base || strncmp(host.p + host.n - base, prefix + 1, base) != 0)
		return -1;
	n -= base + 1;
	return strncmp(host.p + host.n, prefix + 1 + base, n) == 0 && strchr("/", host.p[host.n + n])
		? (ptrdiff_t)(host.n + n) : -1;
}

const struct rule *rules_find(const struct rules *r, const char *name, const char **rest)
{
	const struct rule *best = NULL;

	for (size_t i = 0; i < r->n; i++) {
		ptrdiff_t n = covers(r->v[i].prefix, name);

		if (n >= 0 && (!best || strlen(r->v[i].prefix) > strlen(best->prefix))) {
			best = &r->v[i];
			*rest = name + n;
		}
	}
	return best;
}
