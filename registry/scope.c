/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of scopes. A resource's name may hold colons (a host's port): only the last one ends it. */
#include "registry/scope.h"

void scopes_done(struct scopes *s)
{
	strv_done(&s->v);
}

/* "type:name" and "actions" of a scope; actions are empty if it has no colon. */
static struct str split(struct str scope, struct str *actions)
{
	size_t n = scope.n;

	while (n > 0 && scope.p[n - 1] != ':')
		n--;
	*actions = n ? str_sub(scope, n, scope.n) : (struct str){ "", 0 };
	return n ? str_sub(scope, 0, n - 1) : scope;
}

static bool has_action(struct str actions, struct str action)
{
	while (actions.p) {
		struct str one = str_cut(&actions, ',');

		if (str_eq(one, action) || str_is(one, "*"))
			return true;
	}
	return false;
}

/* Sorted, each once. */
static void merge_actions(struct str a, struct str b, struct buf *ret)
{
	struct str all[32], both[2] = { a, b };
	size_t n = 0;

	for (size_t i = 0; i < 2; i++)
		for (struct str rest = both[i]; rest.p;) {
			struct str one = str_trim(str_cut(&rest, ','));
			size_t at = 0;

			while (at < n && str_cmp(all[at], one) < 0)
				at++;
			if (one.n == 0 || n == countof(all) || (at < n && str_eq(all[at], one)))
				continue;
			memmove(all + at + 1, all + at, (n++ - at) * sizeof(*all));
			all[at] = one;
		}
	for (size_t i = 0; i < n; i++) {
		buf_puts(ret, i ? "," : "");
		buf_str(ret, all[i]);
	}
}

static void add_one(struct scopes *s, struct str scope)
{
	struct str actions, resource = split(scope, &actions);
	auto_buf struct buf b = { 0 };

	buf_str(&b, resource);
	for (size_t i = 0; i < s->v.n; i++) {
		struct str old, name = split(str_of(s->v.v[i]), &old);

		if (!str_eq(name, resource))
			continue;
		buf_putc(&b, ':');
		merge_actions(old, actions, &b);
		free(s->v.v[i]);
		s->v.v[i] = buf_take(&b);
		return;
	}
	if (actions.n) {
		buf_putc(&b, ':');
		merge_actions(actions, (struct str){ 0 }, &b);
	}
	if (s->v.n < SCOPES_MAX)
		strv_take(&s->v, buf_take(&b));
}

static bool scope_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0 && s.n < 1024 && s.p[0] != ':';
}

void scopes_add(struct scopes *s, struct str text)
{
	while (text.p) {
		struct str one = str_trim(str_cut(&text, ' '));

		while (one.n > 0 && strchr(":,", one.p[one.n - 1]))	/* no action at all is none to be told apart */
			one.n--;
		if (scope_ok(one))
			add_one(s, one);
	}
}

void scopes_copy(struct scopes *to, const struct scopes *from)
{
	for (size_t i = 0; i < from->v.n; i++)
		scopes_add(to, str_of(from->v.v[i]));
}

static bool cover_one(const struct scopes *have, struct str want)
{
	struct str actions, resource = split(want, &actions);

	for (size_t i = 0; i < have->v.n; i++) {
		struct str held, name = split(str_of(have->v.v[i]), &held), rest = actions;
		bool all = true;

		if (!str_eq(name, resource))
			continue;
		while (rest.p && actions.n)
			all &= has_action(held, str_cut(&rest, ','));
		return all;
	}
	return false;
}

bool scopes_cover(const struct scopes *have, const struct scopes *want)
{
	for (size_t i = 0; i < want->v.n; i++)
		if (!cover_one(have, str_of(want->v.v[i])))
			return false;
	return true;
}

void scopes_text(const struct scopes *s, struct buf *ret)
{
	for (size_t i = 0; i < s->v.n; i++)
		buf_printf(ret, "%s%s", i ? " " : "", s->v.v[i]);
}
