/* SPDX-License-Identifier: Apache-2.0 */
/* libarchive behind the project's sources, entries and errors. */
#include "cache/archive.h"

#include <archive.h>
#include <archive_entry.h>

#define IN_CHUNK ((size_t)128 << 10)

static const char zeros[64 << 10];

struct archive_in {
	struct archive *a;
	struct unzip *zip;		/* archive_unzip(): undoes what it can, libarchive the rest */
	bytes_get get;
	void *arg;
	int own_fd;			/* what get reads in archive_open_tar() */
	struct err src;			/* the source's error, taken out of libarchive's hands */
	uint64_t in, out;		/* bytes; for the bomb check */
	uint64_t entries;
	struct archive_entry *entry;	/* the present one */
	bool peeked;			/* entry has been read, but not given out yet */
	bool ended;			/* unzip: nothing more comes */
	uint64_t size, at;		/* of the present entry: size, bytes given out */
	const char *block;		/* a block not given out yet: its bytes, and where it belongs */
	size_t block_n;
	uint64_t block_at;
	struct buf path, link;
	struct tar_xattr *xattrs;
	char in_buf[IN_CHUNK];
};

static la_ssize_t read_source(struct archive *a, void *arg, const void **p)
{
	struct archive_in *in = arg;
	ssize_t n = in->get(in->arg, in->in_buf, sizeof(in->in_buf), &in->src);

	if (n < 0) {
		archive_set_error(a, -1, "the source failed");
		return -1;
	}
	in->in += (uint64_t)n;
	*p = in->in_buf;
	return n;
}

static struct archive_in *in_new(bytes_get get, void *arg)
{
	struct archive_in *in = xcalloc(1, sizeof(*in));

	in->get = get;
	in->arg = arg;
	in->a = archive_read_new();
	if (!in->a)
		abort();		/* out of memory, STYLE 4 */
	/* Only filters that libarchive was built with: the others would run programs (they answer ARCHIVE_WARN). */
	archive_read_support_filter_gzip(in->a);
	archive_read_support_filter_bzip2(in->a);
	archive_read_support_filter_xz(in->a);
	archive_read_support_filter_zstd(in->a);
	return in;
}

void archive_close(struct archive_in *in)
{
	if (!in)
		return;
	archive_read_free(in->a);
	unzip_free(in->zip);
	err_clear(&in->src);
	buf_done(&in->path);
	buf_done(&in->link);
	free(in->xattrs);
	free(in);
}

/* libarchive's complaint, or the source's own if that is what it was. */
static int fail(struct archive_in *in, struct err *e)
{
	const char *why = archive_error_string(in->a);

	if (in->src.kind != ERR_NONE) {
		err_move(e, &in->src);
		return -1;
	}
	return err_set(e, ERR_CORRUPT, "damaged archive: %s", why ? why : "unknown cause");
}

static int count_out(struct archive_in *in, size_t n, struct err *e)
{
	in->out += n;
	if (in->out > ARCHIVE_FREE && in->out / ARCHIVE_RATIO > in->in)
		return err_set(e, ERR_LIMIT, "the archive expands to more than %u times its size", ARCHIVE_RATIO);
	return 0;
}

int archive_unzip(bytes_get get, void *arg, struct archive_in **ret, struct err *e)
{
	struct archive_in *in;
	struct unzip *zip;
	int r;

	if (unzip_new(get, arg, &zip, e) < 0)
		return -1;
	in = in_new(unzip_get, zip);
	in->zip = zip;
	if (!unzip_foreign(zip)) {
		*ret = in;
		return 0;
	}
	archive_read_support_format_raw(in->a);
	archive_read_support_format_empty(in->a);
	r = archive_read_open(in->a, in, NULL, read_source, NULL);
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(in->a, &in->entry);
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN && r != ARCHIVE_EOF) {
		fail(in, e);
		archive_close(in);
		return -1;
	}
	in->ended = r == ARCHIVE_EOF;
	*ret = in;
	return 0;
}

ssize_t archive_get(void *arg, void *p, size_t n, struct err *e)
{
	struct archive_in *in = arg;
	la_ssize_t got;

	if (in->zip && !unzip_foreign(in->zip))
		return unzip_get(in->zip, p, n, e);
	if (in->ended)
		return 0;
	got = archive_read_data(in->a, p, n);
	if (got < 0)
		return fail(in, e);
	in->ended = got == 0;
	return count_out(in, (size_t)got, e) < 0 ? -1 : got;
}

static bool is_entry(int r)
{
	return r == ARCHIVE_OK || r == ARCHIVE_WARN;
}

/* Open and read the first header: 1 a tar, 0 something else (or damaged), -1 the source failed. */
static int open_tar(struct archive_in *in, struct err *e)
{
	int r;

	archive_read_support_format_tar(in->a);
	r = archive_read_open(in->a, in, NULL, read_source, NULL);
	if (is_entry(r))
		r = archive_read_next_header(in->a, &in->entry);
	if (in->src.kind != ERR_NONE)
		return fail(in, e);
	in->peeked = is_entry(r);
	return in->peeked;
}

static ssize_t get_own_fd(void *arg, void *p, size_t n, struct err *e)
{
	return bytes_get_fd(&((struct archive_in *)arg)->own_fd, p, n, e);
}

int archive_open_tar(const int *fd, struct archive_in **ret, struct err *e)
{
	struct archive_in *in = in_new(get_own_fd, NULL);
	int r;

	in->arg = in;
	in->own_fd = *fd;
	if (lseek(*fd, 0, SEEK_SET) < 0) {
		archive_close(in);
		return err_sys(e, "seek");
	}
	r = open_tar(in, e);
	if (r <= 0) {
		archive_close(in);
		in = NULL;
	}
	if (r >= 0)
		*ret = in;
	return MIN(r, 0);
}

int archive_read_tar(bytes_get get, void *arg, struct archive_in **ret, struct err *e)
{
	struct archive_in *in = in_new(get, arg);
	int r = open_tar(in, e);

	if (r > 0) {
		*ret = in;
		return 0;
	}
	archive_close(in);
	return r < 0 ? -1 : err_set(e, ERR_USAGE, "not a tar archive, nor a compressed one");
}

static int by_key(const void *a, const void *b)
{
	return str_cmp(((const struct tar_xattr *)a)->key, ((const struct tar_xattr *)b)->key);
}

static void set_xattrs(struct archive_in *in, struct tar_entry *t)
{
	size_t n = (size_t)archive_entry_xattr_reset(in->entry), at = 0;
	const char *key;
	const void *value;
	size_t len;

	free(in->xattrs);
	in->xattrs = xcalloc(n + 1, sizeof(*in->xattrs));
	while (at < n && archive_entry_xattr_next(in->entry, &key, &value, &len) == ARCHIVE_OK)
		if (key)
			in->xattrs[at++] = (struct tar_xattr){ str_of(key), { value, len } };
	qsort(in->xattrs, at, sizeof(*in->xattrs), by_key);
	t->xattrs = in->xattrs;
	t->nxattrs = at;
}

static int set_type(struct archive_in *in, struct tar_entry *t, struct err *e)
{
	const char *hard = archive_entry_hardlink(in->entry), *soft = archive_entry_symlink(in->entry);

	if (hard) {
		t->type = TAR_LINK;
		t->link = in->link.p;
		if (tar_clean_path(str_of(hard), &in->link, e) < 0)
			return err_wrap(e, "%s: link target", t->path);
		t->link = in->link.p;
		return 0;
	}
	switch (archive_entry_filetype(in->entry)) {
	case AE_IFREG: t->type = TAR_FILE; return 0;
	case AE_IFDIR: t->type = TAR_DIR; return 0;
	case AE_IFCHR: t->type = TAR_CHAR; return 0;
	case AE_IFBLK: t->type = TAR_BLOCKDEV; return 0;
	case AE_IFIFO: t->type = TAR_FIFO; return 0;
	case AE_IFLNK:
		if (!soft || !*soft || strlen(soft) >= TAR_PATH_MAX)
			return err_set(e, ERR_CORRUPT, "%s: a symbolic link without a proper target", t->path);
		t->type = TAR_SYMLINK;
		t->link = soft;
		return 0;
	default:
		return err_set(e, ERR_CORRUPT, "%s: an entry of unknown type", t->path);
	}
}

static int set_entry(struct archive_in *in, struct tar_entry *t, struct err *e)
{
	const char *path = archive_entry_pathname(in->entry);
	la_int64_t uid = archive_entry_uid(in->entry), gid = archive_entry_gid(in->entry);
	la_int64_t size = archive_entry_size(in->entry);

	*t = (struct tar_entry){ 0 };
	if (tar_clean_path(str_of(path), &in->path, e) < 0)
		return -1;
	t->path = in->path.p;
	if (set_type(in, t, e) < 0)
		return -1;
	if (uid < 0 || uid > UINT32_MAX - 1 || gid < 0 || gid > UINT32_MAX - 1 || size < 0)
		return err_set(e, ERR_CORRUPT, "%s: owner or size out of range", t->path);
	t->mode = archive_entry_perm(in->entry) & 07777;
	t->uid = (uint64_t)uid;
	t->gid = (uint64_t)gid;
	t->size = t->type == TAR_FILE ? (uint64_t)size : 0;
	t->mtime = archive_entry_mtime(in->entry);
	t->mtime_ns = (uint32_t)archive_entry_mtime_nsec(in->entry);
	if (t->type == TAR_CHAR || t->type == TAR_BLOCKDEV) {
		t->major = (uint32_t)archive_entry_rdevmajor(in->entry);
		t->minor = (uint32_t)archive_entry_rdevminor(in->entry);
	}
	set_xattrs(in, t);
	return 0;
}

int archive_next(struct archive_in *in, struct tar_entry *t, struct err *e)
{
	int r = ARCHIVE_OK;

	if (!in->peeked)
		r = archive_read_next_header(in->a, &in->entry);
	in->peeked = false;
	if (r == ARCHIVE_EOF)
		return 0;
	if (!is_entry(r))
		return fail(in, e);
	if (++in->entries > ARCHIVE_ENTRIES_MAX)
		return err_set(e, ERR_LIMIT, "an archive of more than %u entries", ARCHIVE_ENTRIES_MAX);
	if (set_entry(in, t, e) < 0)
		return -1;
	in->size = t->size;
	in->at = in->block_at = 0;
	in->block_n = 0;
	return 1;
}

/* The next block of libarchive's; at the end of the entry an empty one behind its last byte. */
static int next_block(struct archive_in *in, struct err *e)
{
	la_int64_t at;
	const void *p;
	int r = archive_read_data_block(in->a, &p, &in->block_n, &at);

	if (r == ARCHIVE_EOF) {
		in->block_n = 0;
		in->block_at = in->size;
		return 0;
	}
	if (!is_entry(r))
		return fail(in, e);
	if (at < 0 || (uint64_t)at < in->at || (uint64_t)at > in->size || in->block_n > in->size - (uint64_t)at)
		return err_set(e, ERR_CORRUPT, "%s: data outside of the file", in->path.p);
	in->block = p;
	in->block_at = (uint64_t)at;
	return 0;
}

int archive_data(struct archive_in *in, const void **p, size_t *n, struct err *e)
{
	*n = 0;
	while (in->at < in->size && *n == 0) {
		if (in->block_n == 0 && in->block_at <= in->at && next_block(in, e) < 0)
			return -1;
		if (in->block_at > in->at) {		/* a hole */
			*p = zeros;
			*n = (size_t)MIN((uint64_t)sizeof(zeros), in->block_at - in->at);
		} else {
			*p = in->block;
			*n = in->block_n;
			in->block_n = 0;
		}
		in->at += *n;
		if (count_out(in, *n, e) < 0)
			return -1;
	}
	return 0;
}
