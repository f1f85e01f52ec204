/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of an archive's members. */
#include "registry/members.h"

#include <errno.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/fs.h"

struct entry {
	const char *name;	/* cleaned */
	const char *link;	/* cleaned, beneath the root; NULL unless a link */
	uint64_t off, size;
	size_t nth;		/* place in the archive */
};

struct members {
	int fd;			/* the archive's, borrowed; -1: a directory */
	int dirfd;		/* owned; -1: an archive */
	struct entry *v;	/* sorted by name, one each */
	size_t n;
	struct arena arena;
};

struct members *members_of_dir(int dirfd)
{
	struct members *m = xcalloc(1, sizeof(*m));

	m->fd = -1;
	m->dirfd = dirfd;
	return m;
}

void members_free(struct members *m)
{
	if (!m)
		return;
	if (m->dirfd >= 0)
		close(m->dirfd);
	free(m->v);
	arena_done(&m->arena);
	free(m);
}

/* How a table is read: where the reader is in the file, and up to where it only passes over data. */
struct scan {
	struct job *j;
	struct members *m;
	uint64_t pos, skip_to, size;
	uint64_t told;		/* bytes of headers and padding so far */
	uint64_t data;		/* bytes of data before the present entry */
	bool absolute;		/* the last header's name began with "/" */
};

static ssize_t read_at(int fd, void *p, size_t n, uint64_t off, struct err *e)
{
	ssize_t r;

	do
		r = pread(fd, p, n, (off_t)off);
	while (r < 0 && errno == EINTR);
	return r < 0 ? err_sys(e, "read the archive") : r;
}

/* bytes_get for the tar reader. Bytes that it will throw away are not read at all. */
static ssize_t scan_get(void *arg, void *p, size_t n, struct err *e)
{
	struct scan *s = arg;
	ssize_t r;

	if (s->pos < s->skip_to)
		r = (ssize_t)MIN((uint64_t)n, s->skip_to - s->pos);
	else
		r = read_at(s->m->fd, p, n, s->pos, e);
	if (r > 0)
		s->pos += (uint64_t)r;
	return r;
}

/* Told by the reader: headers whole, the last one before an entry is its own. */
static int scan_raw(void *arg, const void *p, size_t n, struct err *e UNUSED)
{
	struct scan *s = arg;

	s->told += n;
	if (n == TAR_BLOCK)
		s->absolute = *(const char *)p == '/';
	return 0;
}

/* Where a link at name leads, as a name in the archive. */
static int link_target(struct members *m, const struct tar_entry *t, const char **ret, struct err *e)
{
	auto_buf struct buf joined = { 0 }, clean = { 0 };
	const char *slash = strrchr(t->path, '/');

	if (t->type == TAR_SYMLINK && t->link[0] == '/')
		return err_set(e, ERR_CORRUPT, "%s: a link out of the archive", t->path);
	if (t->type == TAR_SYMLINK && slash)
		buf_add(&joined, t->path, (size_t)(slash - t->path + 1));
	buf_puts(&joined, t->link);
	if (tar_clean_path(buf_view(&joined), &clean, e) < 0)
		return err_wrap(e, "%s", t->path);
	*ret = arena_strdup(&m->arena, clean.p);
	return 0;
}

static int add_entry(struct scan *s, const struct tar_entry *t, struct err *e)
{
	struct members *m = s->m;
	struct entry en = { .off = s->told + s->data, .size = t->size, .nth = m->n };

	if (s->absolute)
		return err_set(e, ERR_CORRUPT, "/%s: an absolute name in the archive", t->path);
	if (t->type == TAR_DIR)
		return 0;
	if (t->type != TAR_FILE && t->type != TAR_LINK && t->type != TAR_SYMLINK)
		return err_set(e, ERR_CORRUPT, "%s: a device or FIFO in the archive", t->path);
	if (t->type == TAR_FILE && (en.off > s->size || en.size > s->size - en.off))
		return err_set(e, ERR_CORRUPT, "%s: the archive ends in the middle of it", t->path);
	if (m->n >= MEMBERS_MAX)
		return err_set(e, ERR_LIMIT, "the archive has more than %d entries", MEMBERS_MAX);
	if (t->type != TAR_FILE && link_target(m, t, &en.link, e) < 0)
		return -1;
	en.name = arena_strdup(&m->arena, t->path);
	if ((m->n & (m->n - 1)) == 0)	/* full at each power of two */
		m->v = xrealloc(m->v, (m->n ? 2 * m->n : 1) * sizeof(*m->v));
	m->v[m->n++] = en;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int d = strcmp(x->name, y->name);

	return d ? d : (x->nth > y->nth) - (x->nth < y->nth);
}

/* Of entries with one name the last counts, as for tar; metadata twice is taken for an attack. */
static int sort_entries(struct members *m, struct err *e)
{
	size_t n = 0;

	if (m->n)
		qsort(m->v, m->n, sizeof(*m->v), by_name);
	for (size_t i = 0; i < m->n; i++) {
		bool again = n > 0 && strcmp(m->v[n - 1].name, m->v[i].name) == 0;

		if (again && !strchr(m->v[i].name, '/'))
			return err_set(e, ERR_CORRUPT, "%s is twice in the archive", m->v[i].name);
		n += !again;
		m->v[n - 1] = m->v[i];
	}
	m->n = n;
	return 0;
}

static int scan_all(struct scan *s, struct tar_reader *r, struct err *e)
{
	struct tar_entry t;
	int got;

	while ((got = tar_next(r, &t, e)) > 0) {
		if (job_check(s->j, e) < 0 || add_entry(s, &t, e) < 0)
			return -1;
		s->skip_to = MIN(s->told + s->data + t.size, s->size);
		s->data += t.size;
	}
	return got;
}

int members_of_archive(struct job *j, int fd, struct members **ret, struct err *e)
{
	struct members *m = xcalloc(1, sizeof(*m));
	struct scan s = { .j = j, .m = m };
	struct tar_reader *r;
	struct stat st;
	int got = -1;

	m->fd = fd;
	m->dirfd = -1;
	if (fstat(fd, &st) < 0) {
		err_sys(e, "stat the archive");
		goto undo;
	}
	s.size = (uint64_t)st.st_size;
	r = tar_read_new(scan_get, &s, scan_raw, &s);
	got = scan_all(&s, r, e);
	tar_read_free(r);
	if (got == 0)
		got = sort_entries(m, e);
	if (got < 0)
		goto undo;
	*ret = m;
	return 0;
undo:
	members_free(m);
	return got;
}

void member_done(struct member *m)
{
	if (m->own)
		close(m->fd);
	*m = (struct member){ 0 };
}

ssize_t member_get(void *member, void *p, size_t n, struct err *e)
{
	struct member *m = member;
	ssize_t r;

	if (m->size == 0)
		return 0;
	r = read_at(m->fd, p, (size_t)MIN((uint64_t)n, m->size), m->off, e);
	if (r == 0)
		return err_set(e, ERR_CORRUPT, "the file became shorter while it was read");
	if (r > 0) {
		m->off += (uint64_t)r;
		m->size -= (uint64_t)r;
	}
	return r;
}

static int find_in_dir(struct members *m, const char *name, struct member *ret, struct err *e)
{
	auto_fd int fd = fs_open_in(m->dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open %s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CORRUPT, "%s is not a regular file", name);
	*ret = (struct member){ take_fd(&fd), true, 0, (uint64_t)st.st_size };
	return 1;
}

static const struct entry *find_entry(const struct members *m, const char *name)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = strcmp(m->v[mid].name, name);

		if (d == 0)
			return &m->v[mid];
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

int members_find(struct members *m, const char *name, struct member *ret, struct err *e)
{
	auto_buf struct buf clean = { 0 };
	const struct entry *en;

	if (*name == '/')
		return err_set(e, ERR_CORRUPT, "the name %s leads out of the archive's root", name);
	if (tar_clean_path(str_of(name), &clean, e) < 0)
		return -1;
	if (m->dirfd >= 0)
		return find_in_dir(m, clean.p, ret, e);
	en = find_entry(m, clean.p);
	for (int i = 0; en && en->link; i++) {
		if (i == MEMBERS_LINKS_MAX)
			return err_set(e, ERR_CORRUPT, "%s: too many links from one to the next", name);
		en = find_entry(m, en->link);
	}
	if (!en)
		return 0;
	*ret = (struct member){ m->fd, false, en->off, en->size };
	return 1;
}

int members_text(struct members *m, const char *name, size_t max, struct buf *ret, struct err *e)
{
	auto_member struct member f = { 0 };
	int r = members_find(m, name, &f, e);
	ssize_t got;

	if (r <= 0)
		return r;
	if (f.size > max)
		return err_set(e, ERR_LIMIT, "%s is larger than %zu KiB", name, max >> 10);
	buf_reset(ret);
	buf_reserve(ret, (size_t)f.size + 1);
	while ((got = member_get(&f, ret->p + ret->n, (size_t)f.size, e)) > 0)
		ret->n += (size_t)got;
	if (got < 0)
		return err_wrap(e, "%s", name);
	ret->p[ret->n] = '\0';
	return 1;
}

const char *members_blob_name(const struct digest *d, char ret[static MEMBERS_BLOB_MAX])
{
	char hex[DIGEST_TEXT_MAX];

	snprintf(ret, MEMBERS_BLOB_MAX, "blobs/%s/%s", d->alg == HASH_SHA256 ? "sha256" : "sha512",
		 digest_hex(d, hex));
	return ret;
}

int members_blob(struct members *m, const struct digest *d, size_t max, struct buf *ret, struct err *e)
{
	char name[MEMBERS_BLOB_MAX];
	struct hasher h;
	struct digest got;
	int r = members_text(m, members_blob_name(d, name), max, ret, e);

	if (r <= 0)
		return r;
	hasher_init(&h, d->alg);
	hasher_update(&h, ret->p, ret->n);
	got = digest_final(&h);
	return digest_eq(&got, d) ? 1 : err_set(e, ERR_CORRUPT, "%s: its bytes do not match its name", name);
}
