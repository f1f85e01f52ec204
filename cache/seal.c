/* SPDX-License-Identifier: Apache-2.0 */
/* One sorted walk of a layer's tree that writes its canonical tar. OCI image-spec layer.md. */
#include <dirent.h>
#include <errno.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "cache/layer_dir.h"
#include "cache/names.h"
#include "cache/tree_tar.h"
#include "cache/whiteout.h"

#define CHUNK ((size_t)256 << 10)
#define CAP_MAX 64			/* bytes of security.capability: 20 or 24 */

struct seal {
	struct job *job;
	const struct tree_tar *how;	/* NULL: a layer that is reduced already */
	struct tar_writer tar;
	struct inodes *links;
	struct buf path;		/* of the entry in work; no leading slash */
	char *chunk;
	struct seal_sum sum;
};

static int fail(const struct seal *s, const char *what, struct err *e)
{
	return err_sys(e, "%s %s in a layer", what, s->path.p && s->path.n ? s->path.p : "the root");
}

static void fill(struct tar_entry *t, const struct seal *s, enum tar_type type, const struct stat *st)
{
	*t = (struct tar_entry){
		.path = s->path.p, .type = type, .mode = st->st_mode & 07777,
		.uid = st->st_uid, .gid = st->st_gid, .mtime = st->st_mtim.tv_sec,
	};
}

static int put_entry(struct seal *s, const struct tar_entry *t, struct err *e)
{
	s->sum.entries++;
	return tar_write_entry(&s->tar, t, e);
}

static int put_whiteout(struct seal *s, const char *name, struct err *e)
{
	size_t n = s->path.n - strlen(name);
	auto_free char *path = xasprintf("%.*s" WH_PREFIX "%s", (int)n, s->path.p, name);
	struct tar_entry t = { .path = path, .type = TAR_FILE };

	return put_entry(s, &t, e);
}

static bool is_live(const struct seal *s)
{
	return s->how != NULL;
}

static int put_data(struct seal *s, int fd, uint64_t size, struct err *e)
{
	bool ended = false;

	while (size) {
		size_t want = (size_t)MIN((uint64_t)CHUNK, size);
		ssize_t n = ended ? (ssize_t)want : read(fd, s->chunk, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(s, "read", e);
		if (n == 0 && is_live(s)) {	/* as other tar writers do: zeros stand for what went away meanwhile */
			memset(s->chunk, 0, CHUNK);
			ended = true;
			continue;
		}
		if (n == 0)
			return err_set(e, ERR_CORRUPT, "%s became shorter while its layer was read", s->path.p);
		if (job_check(s->job, e) < 0 || tar_write_data(&s->tar, s->chunk, (size_t)n, e) < 0)
			return -1;
		size -= (uint64_t)n;
	}
	return 0;
}

/* A second name of an inode that the tar has already: 1 written as a link, 0 it is the first. */
static int put_link(struct seal *s, const struct stat *st, struct err *e)
{
	const char *first = st->st_nlink > 1 ? inodes_see(s->links, st, s->path.p) : NULL;
	struct tar_entry t;

	if (!first)
		return 0;
	fill(&t, s, TAR_LINK, st);
	t.link = first;
	return put_entry(s, &t, e) < 0 ? -1 : 1;
}

static int put_open_file(struct seal *s, int fd, struct err *e)
{
	char cap[CAP_MAX];
	struct tar_xattr xattr = { STR_LIT("security.capability"), { cap, 0 } };
	struct tar_entry t;
	struct stat st;
	ssize_t n;
	int linked;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(s, "open", e);
	s->sum.disk_size += (uint64_t)st.st_blocks * 512;
	linked = put_link(s, &st, e);
	if (linked)
		return MIN(linked, 0);
	fill(&t, s, TAR_FILE, &st);
	t.size = (uint64_t)st.st_size;
	n = fgetxattr(fd, "security.capability", cap, sizeof(cap));
	if (n > 0) {
		xattr.value.n = (size_t)n;
		t.xattrs = &xattr;
		t.nxattrs = 1;
	}
	return put_entry(s, &t, e) < 0 ? -1 : put_data(s, fd, t.size, e);
}

static int put_file(struct seal *s, int dir, const char *name, struct err *e)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	return put_open_file(s, fd, e);
}

static int put_symlink(struct seal *s, int dir, const char *name, const struct stat *st, struct err *e)
{
	char target[TAR_PATH_MAX + 1];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	struct tar_entry t;

	if (n < 0)
		return fail(s, "read the link", e);
	target[n] = '\0';
	fill(&t, s, TAR_SYMLINK, st);
	t.mode = 0777;
	t.link = target;
	return put_entry(s, &t, e);
}

/* Links, devices, pipes: all that isn't opened. */
static int put_special(struct seal *s, int dir, const char *name, struct err *e)
{
	struct tar_entry t;
	struct stat st;
	int linked;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return fail(s, "stat", e);
	linked = put_link(s, &st, e);
	if (linked)
		return MIN(linked, 0);
	if (S_ISLNK(st.st_mode))
		return put_symlink(s, dir, name, &st, e);
	fill(&t, s, S_ISCHR(st.st_mode) ? TAR_CHAR : S_ISBLK(st.st_mode) ? TAR_BLOCKDEV : TAR_FIFO, &st);
	if (!S_ISFIFO(st.st_mode)) {
		t.major = major(st.st_rdev);
		t.minor = minor(st.st_rdev);
	}
	return put_entry(s, &t, e);
}

static int walk(struct seal *s, int dir, struct err *e);

static int put_opaque(struct seal *s, int dir, struct err *e)
{
	auto_free char *path = xasprintf("%s/" WH_OPAQUE, s->path.p);
	struct tar_entry t = { .path = path, .type = TAR_FILE };
	int opaque = is_live(s) && s->how->upper ? opaque_get(dir, s->how->userns) : 0;

	return opaque < 0 ? fail(s, "look at", e) : opaque ? put_entry(s, &t, e) : 0;
}

static int put_dir(struct seal *s, int dir, const char *name, struct err *e)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct tar_entry t;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(s, "open", e);
	s->sum.disk_size += (uint64_t)st.st_blocks * 512;
	fill(&t, s, TAR_DIR, &st);
	return put_entry(s, &t, e) < 0 || put_opaque(s, fd, e) < 0 ? -1 : walk(s, fd, e);
}

static int put_name(struct seal *s, int dir, const struct name *n, struct err *e)
{
	size_t len = s->path.n;
	int r;

	if (strncmp(n->s, WH_PREFIX, sizeof(WH_PREFIX) - 1) == 0 && n->type != DT_SOCK && !(is_live(s) && !s->how->upper)) {
		err_set(e, ERR_USAGE, "the name %s/%s can't be in a layer: it means the deletion of a file",
			s->path.p ? s->path.p : "", n->s);
		return err_hint(e, "rename or delete it in the step that makes it");
	}
	if (len)
		buf_putc(&s->path, '/');
	buf_puts(&s->path, n->s);
	if (is_live(s) && s->how->skip && s->how->skip(s->how->arg, s->path.p, dir, n->s)) {
		s->path.n = len;
		s->path.p[len] = '\0';
		return 0;
	}
	switch (n->type) {
	case DT_DIR: r = put_dir(s, dir, n->s, e); break;
	case DT_REG: r = put_file(s, dir, n->s, e); break;
	case DT_SOCK: r = 0; break;
	default: r = put_special(s, dir, n->s, e);
	}
	s->path.n = len;
	if (s->path.p)
		s->path.p[len] = '\0';
	return r;
}

/* Whiteouts come before their siblings; marks them DT_UNKNOWN, so that they aren't written again. */
static int put_whiteouts(struct seal *s, int dir, struct names *names, struct err *e)
{
	struct stat st;

	for (size_t i = 0; i < names->n; i++) {
		size_t len = s->path.n;
		int r;

		if (names->v[i].type != DT_CHR)
			continue;
		if (fstatat(dir, names->v[i].s, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return fail(s, "stat an entry of", e);
		if (!whiteout_is(&st))
			continue;
		if (len)
			buf_putc(&s->path, '/');
		buf_puts(&s->path, names->v[i].s);
		r = put_whiteout(s, names->v[i].s, e);
		s->path.n = len;
		s->path.p[len] = '\0';
		if (r < 0)
			return -1;
		names->v[i].type = DT_UNKNOWN;
	}
	return 0;
}

static int walk(struct seal *s, int dir, struct err *e)
{
	auto_names struct names names = { 0 };

	if (job_check(s->job, e) < 0)
		return -1;
	if (names_read(dir, &names) < 0)
		return fail(s, "list", e);
	if ((!is_live(s) || s->how->upper) && put_whiteouts(s, dir, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		if (names.v[i].type != DT_UNKNOWN && put_name(s, dir, &names.v[i], e) < 0)
			return -1;
	return 0;
}

int seal_emit(struct job *j, int dir, bytes_put put, void *arg, struct seal_sum *ret, struct err *e)
{
	struct seal s = { .job = j, .links = inodes_new(), .chunk = xmalloc(CHUNK) };
	auto_fd int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	tar_write_init(&s.tar, put, arg);
	r = fd < 0 ? fail(&s, "open", e) : walk(&s, fd, e);
	if (r == 0)
		r = tar_write_end(&s.tar, e);
	s.sum.tar_size = s.tar.size;
	if (r == 0)
		*ret = s.sum;
	tar_write_done(&s.tar);
	inodes_free(s.links);
	buf_done(&s.path);
	free(s.chunk);
	return r;
}

static int put_top(struct seal *s, int fd, struct err *e)
{
	auto_fd int file = -1;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(s, "stat", e);
	if (S_ISDIR(st.st_mode) && !s->how->name) {
		file = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return file < 0 ? fail(s, "open", e) : walk(s, file, e);
	}
	buf_puts(&s->path, s->how->name);
	if (S_ISDIR(st.st_mode))
		return put_dir(s, fd, ".", e);
	if (!S_ISREG(st.st_mode))
		return put_special(s, fd, "", e);
	file = fs_reopen(fd, O_RDONLY | O_NONBLOCK);
	return put_open_file(s, file, e);
}

int tree_tar(struct job *j, int fd, const struct tree_tar *how, bytes_put put, void *arg, struct err *e)
{
	struct seal s = { .job = j, .how = how, .links = inodes_new(), .chunk = xmalloc(CHUNK) };
	int r;

	tar_write_init(&s.tar, put, arg);
	r = put_top(&s, fd, e);
	if (r == 0)
		r = tar_write_end(&s.tar, e);
	tar_write_done(&s.tar);
	inodes_free(s.links);
	buf_done(&s.path);
	free(s.chunk);
	return r;
}
