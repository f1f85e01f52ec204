/* SPDX-License-Identifier: Apache-2.0 */
/* Looking users up in a file tree: regular files only, never a FIFO, bounded (CVE-2024-9676). */
#include "builder/users.h"

#include <errno.h>

#include "base/fs.h"
#include "runtime/sandbox/userns.h"

/* A missing file is an empty text, as is one that is not a regular file. */
static int read_small(int root, const char *path, struct buf *ret, struct err *e)
{
	auto_fd int fd = root < 0 ? -1 : fs_open_in(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (root < 0)
		return 0;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open %s of the image", path);
	if (!S_ISREG(st.st_mode))
		return 0;
	return fs_read_fd(fd, PASSWD_FILE_MAX, ret, e) < 0 ? err_wrap(e, "%s of the image", path) : 0;
}

int users_lookup(int root, const char *spec, struct passwd_user *ret, struct err *e)
{
	auto_buf struct buf passwd = { 0 }, group = { 0 };

	if (read_small(root, "/etc/passwd", &passwd, e) < 0 || read_small(root, "/etc/group", &group, e) < 0)
		return -1;
	return passwd_lookup(buf_view(&passwd), buf_view(&group), spec, ret, e);
}

int users_group(int root, const char *spec, gid_t *ret, struct err *e)
{
	auto_buf struct buf group = { 0 };

	if (read_small(root, "/etc/group", &group, e) < 0)
		return -1;
	return passwd_group(buf_view(&group), spec, ret, e);
}

int users_check(uid_t uid, gid_t gid, struct err *e)
{
	struct userns u;

	if (uid == 0 && gid == 0)
		return 0;
	if (userns_info(&u, e) < 0)
		return -1;
	if (userns_has_uid(&u, uid) && userns_has_gid(&u, gid))
		return 0;
	err_set(e, ERR_DENIED, "user %u:%u: this user may not use that ID", uid, gid);
	return err_hint(e, "ask for ranges in /etc/subuid and /etc/subgid, and for the program newuidmap");
}

size_t users_gids(const struct passwd_user *u, size_t more, gid_t **ret)
{
	gid_t *gids = xcalloc(u->ngroups + more + 1, sizeof(*gids));
	size_t n = 0;

	gids[n++] = u->gid;
	for (size_t i = 0; i < u->ngroups; i++)
		if (u->groups[i] != u->gid)
			gids[n++] = u->groups[i];
	*ret = gids;
	return n;
}

static bool is_plain(struct str s)
{
	uint64_t n;

	return s.n == 0 || str_is(s, "root") || str_to_u64(s, 10, &n);
}

int users_chown(int root, const char *spec, bool bare, uid_t *uid, gid_t *gid, struct sink *sink, struct err *e)
{
	auto_buf struct buf passwd = { 0 }, group = { 0 };
	struct str group_part = str_of(spec), user_part = str_cut(&group_part, ':'), unknown = { 0 };

	if (bare && (!is_plain(user_part) || (group_part.p && !is_plain(group_part))))
		return err_set(e, ERR_USAGE, "invalid user index: -1: --chown=%s needs a name, and there is no "
			       "/etc/passwd to look in", spec);
	if (!bare && (read_small(root, "/etc/passwd", &passwd, e) < 0 ||
		      read_small(root, "/etc/group", &group, e) < 0))
		return -1;
	if (passwd_chown(buf_view(&passwd), buf_view(&group), spec, uid, gid, &unknown, e) < 0)
		return -1;
	if (unknown.n)
		event_warn(sink, "--chown=%s: the image knows no \"" STR_FMT "\"; the owner is root (0)", spec, STR_ARG(unknown));
	return 0;
}
