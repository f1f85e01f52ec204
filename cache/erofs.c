/* SPDX-License-Identifier: Apache-2.0 */
/* Entries become the tree that cache/extract.c would make of them. */
#include "cache/erofs.h"

#include <errno.h>
#include <linux/capability.h>
#include <endian.h>
#include <sys/random.h>

#include "cache/archive.h"
#include "cache/erofs_disk.h"
#include "cache/erofs_tree.h"
#include "cache/extract.h"
#include "cache/whiteout.h"

struct erofs *erofs_new(bool userns)
{
	struct erofs *w = xcalloc(1, sizeof(*w));

	w->userns = userns;
	while (getrandom(&w->seed, sizeof(w->seed), 0) != (ssize_t)sizeof(w->seed))
		;
	w->root = erofs_dir_new(w, NULL, 0755, 0, 0)->dir;
	return w;
}

void erofs_free(struct erofs *w)
{
	if (!w)
		return;
	arena_done(&w->arena);
	buf_done(&w->parent_path);
	free(w->names);
	free(w->xattrs);
	free(w);
}

uint64_t erofs_entries(const struct erofs *w)
{
	return w->entries;
}

/* What setxattr(2) demands of a capability. Linux include/uapi/linux/capability.h "struct vfs_ns_cap_data". */
static bool is_capability(struct str value)
{
	uint32_t magic, root = 0;

	if (value.n != XATTR_CAPS_SZ_2 && value.n != XATTR_CAPS_SZ_3)
		return false;
	memcpy(&magic, value.p, sizeof(magic));
	magic = le32toh(magic) & ~(uint32_t)VFS_CAP_FLAGS_EFFECTIVE;
	if (value.n == XATTR_CAPS_SZ_2)
		return magic == VFS_CAP_REVISION_2;
	memcpy(&root, value.p + XATTR_CAPS_SZ_2, sizeof(root));
	return magic == VFS_CAP_REVISION_3 && root != UINT32_MAX;
}

int erofs_capability_set(struct erofs *w, struct erofs_node *n, const char *path, struct str value, struct err *e)
{
	if (!is_capability(value))
		return err_set(e, ERR_CORRUPT, "%s: a malformed security.capability", path);
	if (!erofs_xattr_set(w, n, EROFS_X_SECURITY, STR_LIT("capability"), value))
		return err_set(e, ERR_LIMIT, "%s: too many extended attributes", path);
	return 0;
}

static int set_xattrs(struct erofs *w, struct erofs_node *n, const struct tar_entry *t, struct err *e)
{
	static const struct str user = { "user.", 5 };

	for (size_t i = 0; i < t->nxattrs; i++) {
		struct str key = t->xattrs[i].key, value = t->xattrs[i].value;

		if (!xattr_kept(key))
			continue;
		if (str_starts(key, user.p)) {
			if (key.n > user.n)
				erofs_xattr_set(w, n, EROFS_X_USER, str_sub(key, user.n, key.n), value);
		} else if (erofs_capability_set(w, n, t->path, value, e) < 0) {
			return -1;
		}
	}
	return 0;
}

static void set_attributes(struct erofs_node *n, const struct tar_entry *t)
{
	n->mode = (uint16_t)((n->mode & S_IFMT) | (t->mode & 07777));
	n->uid = (uint32_t)t->uid;
	n->gid = (uint32_t)t->gid;
	n->mtime = t->mtime;
	n->mtime_ns = t->mtime_ns;
}

static int put_dir(struct erofs *w, struct erofs_dir *in, struct erofs_name *name, const struct tar_entry *t,
		   struct err *e)
{
	struct erofs_node *n = name ? name->node : w->root->node;

	if (!n || !S_ISDIR(n->mode)) {
		bool hides = n && erofs_is_whiteout(n);

		n = name->node = erofs_dir_new(w, in, 0, 0, 0);
		n->dir->opaque = hides;
	}
	set_attributes(n, t);
	return set_xattrs(w, n, t, e);
}

static int put_file(struct erofs *w, struct erofs_name *name, const struct tar_entry *t, uint64_t data,
		    struct err *e)
{
	struct erofs_node *n = erofs_node_new(w, S_IFREG, 0, 0);

	if (t->size && (t->size > EROFS_TAR_MAX || data > EROFS_TAR_MAX - t->size))
		return err_set(e, ERR_LIMIT, "%s: a layer of more than %llu bytes", t->path,
			       (unsigned long long)EROFS_TAR_MAX);
	if (t->size && data % EROFS_BLOCK)
		return err_set(e, ERR_CORRUPT, "%s: its data are not at a tar's block", t->path);
	n->size = t->size;
	n->data = t->size ? data : 0;
	name->node = n;
	set_attributes(n, t);
	return set_xattrs(w, n, t, e);
}

uint32_t erofs_device(uint32_t major, uint32_t minor)
{
	return (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static int put_node(struct erofs *w, struct erofs_name *name, const struct tar_entry *t, struct err *e)
{
	mode_t type = t->type == TAR_CHAR ? S_IFCHR : t->type == TAR_BLOCKDEV ? S_IFBLK :
		t->type == TAR_FIFO ? S_IFIFO : S_IFLNK;
	struct erofs_node *n = erofs_node_new(w, type, 0, 0);

	set_attributes(n, t);
	if (type == S_IFLNK) {
		n->mode = S_IFLNK | 0777;
		n->size = strlen(t->link);
		if (n->size == 0 || n->size >= TAR_PATH_MAX)
			return err_set(e, ERR_CORRUPT, "%s: a symbolic link without a proper target", t->path);
		n->target = arena_strndup(&w->arena, t->link, n->size);
	} else if (type != S_IFIFO) {
		n->rdev = erofs_device(t->major, t->minor);
	}
	name->node = n;
	return 0;
}

static int link_error(const struct tar_entry *t, const char *why, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "%s is a hard link to %s, which is %s", t->path, t->link, why);
}

static int find_target(struct erofs *w, const struct tar_entry *t, struct erofs_node **ret, struct err *e)
{
	const char *slash = strrchr(t->link, '/');
	struct str dir = { t->link, slash ? (size_t)(slash - t->link) : 0 };
	struct erofs_dir *in;
	struct erofs_name *name;

	if (strcmp(t->link, ".") == 0)
		return link_error(t, "no file", e);
	if (erofs_dir_find(w, dir, &in) != 0)
		return link_error(t, "not there", e);
	name = erofs_name_find(w, in, str_of(slash ? slash + 1 : t->link));
	if (!name || !name->node)
		return link_error(t, "not there", e);
	if (S_ISDIR(name->node->mode) || erofs_is_whiteout(name->node))
		return link_error(t, "no file", e);
	*ret = name->node;
	return 0;
}

/* What is in the way goes first; if that was the target itself, or what led to it, the link has none. */
static int put_link(struct erofs *w, struct erofs_dir *in, struct str s, const struct tar_entry *t, struct err *e)
{
	struct erofs_node *n;
	struct erofs_name *name;

	if (find_target(w, t, &n, e) < 0)
		return -1;
	name = erofs_name_get(w, in, s);
	if (name->node) {
		name->node = NULL;
		if (find_target(w, t, &n, e) < 0)
			return -1;
	}
	name->node = n;
	return 0;
}

/* ".wh.NAME": hide NAME of the layers below, but nothing that this layer has itself. */
static int put_whiteout(struct erofs *w, struct erofs_dir *in, struct str s, const struct tar_entry *t,
			struct err *e)
{
	struct str hidden = str_sub(s, sizeof(WH_PREFIX) - 1, s.n);
	struct erofs_name *name;

	if (t->type != TAR_FILE || hidden.n == 0 || str_is(hidden, ".") || str_is(hidden, ".."))
		return err_set(e, ERR_CORRUPT, "%s is not a proper whiteout", t->path);
	if (str_is(s, WH_OPAQUE))
		in->opaque = true;
	if (str_starts(s, WH_META))
		return 0;
	if (hidden.n > EROFS_NAME_MAX) {
		errno = ENAMETOOLONG;
		return err_sys(e, "make a whiteout for %s", t->path);
	}
	name = erofs_name_get(w, in, hidden);
	if (!name->node)
		name->node = erofs_node_new(w, S_IFCHR, 0, 0);
	else if (S_ISDIR(name->node->mode))
		name->node->dir->opaque = true;
	return 0;
}

static int put(struct erofs *w, struct erofs_dir *in, struct str s, const struct tar_entry *t, uint64_t data,
	       struct err *e)
{
	if (str_starts(s, WH_PREFIX))
		return put_whiteout(w, in, s, t, e);
	if (t->type == TAR_CHAR && t->major == 0 && t->minor == 0)
		return err_set(e, ERR_CORRUPT, "%s is a device 0:0, which means a deletion", t->path);
	if (s.n > EROFS_NAME_MAX) {
		errno = ENAMETOOLONG;
		return err_sys(e, "create %s", t->path);
	}
	switch (t->type) {
	case TAR_DIR:
		return put_dir(w, in, erofs_name_get(w, in, s), t, e);
	case TAR_FILE:
		return put_file(w, erofs_name_get(w, in, s), t, data, e);
	case TAR_LINK:
		return put_link(w, in, s, t, e);
	default:
		return put_node(w, erofs_name_get(w, in, s), t, e);
	}
}

/* The directory that the entry goes into. Remembered as long as entries have this parent: one that could
 * change where it leads has another parent itself. */
static int find_parent(struct erofs *w, const char *path, size_t n, struct err *e)
{
	if (w->parent && w->parent_path.n == n && (n == 0 || memcmp(w->parent_path.p, path, n) == 0))
		return 0;
	w->parent = NULL;
	if (erofs_dir_imply(w, (struct str){ path, n }, &w->parent, e) < 0)
		return -1;
	buf_reset(&w->parent_path);
	buf_add(&w->parent_path, path, n);
	return 0;
}

int erofs_add(struct erofs *w, const struct tar_entry *t, uint64_t data, struct err *e)
{
	const char *slash = strrchr(t->path, '/');
	const char *name = slash ? slash + 1 : t->path;

	w->entries++;
	if (strcmp(t->path, ".") == 0)
		return t->type == TAR_DIR ? put_dir(w, NULL, NULL, t, e) :
			err_set(e, ERR_CORRUPT, "the archive's root is not a directory");
	if (find_parent(w, t->path, slash ? (size_t)(slash - t->path) : 0, e) < 0)
		return -1;
	return put(w, w->parent, str_of(name), t, data, e);
}

/* tar_read_new's raw: all that is not file data. */
static int count_raw(void *arg, const void *p UNUSED, size_t n, struct err *e UNUSED)
{
	*(uint64_t *)arg += n;
	return 0;
}

int erofs_read_tar(struct erofs *w, bytes_get get, void *arg, struct err *e)
{
	uint64_t at = 0;		/* bytes of the tar before what tar_data() would give */
	struct tar_reader *r = tar_read_new(get, arg, count_raw, &at);
	struct tar_entry t;
	int got;

	while ((got = tar_next(r, &t, e)) > 0) {
		if (w->entries >= ARCHIVE_ENTRIES_MAX)
			got = err_set(e, ERR_LIMIT, "a layer of more than %u entries", ARCHIVE_ENTRIES_MAX);
		else
			got = erofs_add(w, &t, at, e);
		if (got < 0)
			break;
		at += t.size;
	}
	tar_read_free(r);
	return got;
}
