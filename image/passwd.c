/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups in passwd and group texts. */
#include "image/passwd.h"

#include <stdint.h>

struct pw { struct str name, home; uint64_t uid, gid; };
struct gr { struct str name, members; uint64_t gid; };

static int check_text(struct str s, const char *file, struct err *e)
{
	if (s.n > PASSWD_FILE_MAX)
		return err_set(e, ERR_LIMIT, "the %s file is larger than 1 MiB", file);
	while (s.p)
		if (str_cut(&s, '\n').n > PASSWD_LINE_MAX)
			return err_set(e, ERR_LIMIT, "the %s file has a line longer than 64 KiB", file);
	return 0;
}

static bool id_ok(struct str s, uint64_t *ret)
{
	return str_to_u64(s, 10, ret) && *ret <= PASSWD_ID_MAX;
}

/* The next good line; lines that are not well-formed are passed over, as libc does. */
static bool next_user(struct str *rest, struct pw *ret)
{
	while (rest->p) {
		struct str line = str_cut(rest, '\n'), f[7] = { 0 };
		size_t n = 0;

		while (line.p && n < 7)
			f[n++] = str_cut(&line, ':');
		if (n < 4 || f[0].n == 0 || f[0].p[0] == '#' || !id_ok(f[2], &ret->uid) || !id_ok(f[3], &ret->gid))
			continue;
		ret->name = f[0];
		ret->home = f[5];
		return true;
	}
	return false;
}

static bool next_group(struct str *rest, struct gr *ret)
{
	while (rest->p) {
		struct str line = str_cut(rest, '\n'), f[4] = { 0 };
		size_t n = 0;

		while (line.p && n < 4)
			f[n++] = str_cut(&line, ':');
		if (n < 3 || f[0].n == 0 || f[0].p[0] == '#' || !id_ok(f[2], &ret->gid))
			continue;
		ret->name = f[0];
		ret->members = f[3];
		return true;
	}
	return false;
}

/* Digits, perhaps with a sign: an ID, never a name. */
static bool is_number(struct str s)
{
	if (s.n > 1 && (s.p[0] == '-' || s.p[0] == '+'))
		s = str_sub(s, 1, s.n);
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

static int parse_id(struct str s, uint64_t *ret, struct err *e)
{
	if (!id_ok(s, ret))
		return err_set(e, ERR_USAGE, "uids and gids must be in range 0-%u: " STR_FMT, PASSWD_ID_MAX,
			       (int)MIN(s.n, (size_t)80), s.p);
	return 0;
}

static bool find_user(struct str passwd, struct str name, const uint64_t *uid, struct pw *ret)
{
	while (next_user(&passwd, ret))
		if (uid ? ret->uid == *uid : str_eq(ret->name, name))
			return true;
	return false;
}

static bool find_group(struct str group, struct str name, struct gr *ret)
{
	while (next_group(&group, ret))
		if (str_eq(ret->name, name))
			return true;
	return false;
}

static int group_id(struct str group, struct str spec, uint64_t *ret, struct err *e)
{
	struct gr g;

	if (is_number(spec))
		return parse_id(spec, ret, e);
	if (find_group(group, spec, &g))
		*ret = g.gid;
	else if (str_is(spec, "root"))
		*ret = 0;
	else
		return err_set(e, ERR_NOT_FOUND, "unable to find group " STR_FMT
			       ": no matching entries in group file", STR_ARG(spec));
	return 0;
}

static bool is_member(struct str members, struct str name)
{
	while (members.p)
		if (str_eq(str_trim(str_cut(&members, ',')), name))
			return true;
	return false;
}

static void add_groups(struct str group, struct str name, struct passwd_user *u)
{
	struct gr g;

	while (next_group(&group, &g)) {
		bool have = false;

		for (size_t i = 0; i < u->ngroups; i++)
			have |= u->groups[i] == g.gid;
		if (have || !is_member(g.members, name))
			continue;
		u->groups = xrealloc(u->groups, (u->ngroups + 1) * sizeof(*u->groups));
		u->groups[u->ngroups++] = (gid_t)g.gid;
	}
}

/* The user part: an ID, and the line of passwd if there is one (*found). */
static int find_spec(struct str passwd, struct str user, struct pw *ret, bool *found, struct err *e)
{
	uint64_t uid = 0;

	*ret = (struct pw){ 0 };
	*found = false;
	if (user.n && !is_number(user)) {
		*found = find_user(passwd, user, NULL, ret);
		if (*found || str_is(user, "root"))
			goto known;
		return err_set(e, ERR_NOT_FOUND, "unable to find user " STR_FMT
			       ": no matching entries in passwd file", STR_ARG(user));
	}
	if (user.n && parse_id(user, &uid, e) < 0)
		return -1;
	*found = find_user(passwd, user, &uid, ret);
known:
	if (!*found)
		*ret = (struct pw){ .uid = uid };
	return 0;
}

int passwd_lookup(struct str passwd, struct str group, const char *spec, struct passwd_user *ret,
		  struct err *e)
{
	struct str gpart = str_of(spec), user = str_cut(&gpart, ':');
	struct passwd_user u = { 0 };
	struct pw line;
	uint64_t gid;
	bool found;

	if (check_text(passwd, "passwd", e) < 0 || check_text(group, "group", e) < 0 ||
	    find_spec(passwd, user, &line, &found, e) < 0)
		return -1;
	gid = line.gid;
	if (gpart.n && group_id(group, gpart, &gid, e) < 0)
		return -1;
	if (found && !gpart.n)
		add_groups(group, line.name, &u);
	u.uid = (uid_t)line.uid;
	u.gid = (gid_t)gid;
	u.home = found && line.home.n ? str_dup(line.home) : xstrdup("/");
	u.name = found ? str_dup(line.name) : NULL;
	*ret = u;
	return 0;
}

void passwd_user_done(struct passwd_user *u)
{
	free(u->groups);
	free(u->home);
	free(u->name);
	*u = (struct passwd_user){ 0 };
}

int passwd_group(struct str group, const char *spec, gid_t *ret, struct err *e)
{
	uint64_t gid;

	if (check_text(group, "group", e) < 0 || group_id(group, str_of(spec), &gid, e) < 0)
		return -1;
	*ret = (gid_t)gid;
	return 0;
}

int passwd_chown(struct str passwd, struct str group, const char *spec, uid_t *uid, gid_t *gid,
		 struct str *unknown, struct err *e)
{
	struct str gpart = str_of(spec), user = str_cut(&gpart, ':'), missing = { 0 };
	uint64_t u = 0, g = 0;
	struct pw pw;
	struct gr gr;

	if (check_text(passwd, "passwd", e) < 0 || check_text(group, "group", e) < 0)
		return -1;
	if (user.n == 0 && gpart.n == 0)
		return err_set(e, ERR_USAGE, "--chown wants user[:group], not \"%s\"", spec);
	if (is_number(user)) {
		if (parse_id(user, &u, e) < 0)
			return -1;
		g = u;
	} else if (find_user(passwd, user, NULL, &pw)) {
		u = pw.uid;
		g = pw.gid;
	} else if (user.n && !str_is(user, "root")) {
		missing = user;
	}
	if (is_number(gpart)) {
		if (parse_id(gpart, &g, e) < 0)
			return -1;
	} else if (gpart.n) {
		g = 0;
		if (find_group(group, gpart, &gr))
			g = gr.gid;
		else if (!str_is(gpart, "root"))
			missing = gpart;
	}
	*uid = (uid_t)u;
	*gid = (gid_t)g;
	if (unknown)
		*unknown = missing;
	return 0;
}
