/* SPDX-License-Identifier: Apache-2.0 */
/* The strict tar reader: blocks in, entries out, in one pass over a source that can't seek. */
#include "cache/tar.h"

#include <errno.h>

#include "cache/tar_header.h"
#include "cache/tar_pax.h"

#define READ_CHUNK ((size_t)256 << 10)

struct tar_reader {
	bytes_get get;
	void *arg;
	bytes_put raw;
	void *raw_arg;
	char *buf;		/* READ_CHUNK bytes; buf[at..n) is not used yet */
	size_t at, n;
	uint64_t left;		/* data of the present entry not handed out yet */
	unsigned pad;		/* bytes that fill its last block */
	bool eof, ended;
	struct buf ext;		/* body of an extension header */
	struct buf long_name, long_link;	/* GNU 'L' and 'K' */
	bool has_long_name, has_long_link;
	struct tar_pax pax;
	struct buf path, link;
};

ssize_t bytes_get_fd(void *arg, void *p, size_t n, struct err *e)
{
	ssize_t r;

	do
		r = read(*(int *)arg, p, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? err_sys(e, "read") : r;
}

struct tar_reader *tar_read_new(bytes_get get, void *arg, bytes_put raw, void *raw_arg)
{
	struct tar_reader *r = xcalloc(1, sizeof(*r));

	*r = (struct tar_reader){ .get = get, .arg = arg, .raw = raw, .raw_arg = raw_arg };
	r->buf = xmalloc(READ_CHUNK);
	r->ext.max = TAR_EXT_MAX + TAR_BLOCK;
	return r;
}

void tar_read_free(struct tar_reader *r)
{
	if (!r)
		return;
	free(r->buf);
	buf_done(&r->ext);
	buf_done(&r->long_name);
	buf_done(&r->long_link);
	tar_pax_done(&r->pax);
	buf_done(&r->path);
	buf_done(&r->link);
	free(r);
}

/* At least one unused byte in buf, or the end of the source (r->eof). */
static int fill(struct tar_reader *r, struct err *e)
{
	ssize_t n;

	if (r->at < r->n || r->eof)
		return 0;
	n = r->get(r->arg, r->buf, READ_CHUNK, e);
	if (n < 0)
		return -1;
	r->eof = n == 0;
	r->at = 0;
	r->n = (size_t)n;
	return 0;
}

/* Exactly n bytes, told to raw. Returns 1, 0 if the source ended before the first, -1. */
static int take(struct tar_reader *r, void *to, size_t n, struct err *e)
{
	size_t done = 0;

	while (done < n) {
		size_t part;

		if (fill(r, e) < 0)
			return -1;
		if (r->eof)
			return done ? err_set(e, ERR_CORRUPT, "the archive ends in the middle of a header") : 0;
		part = MIN(n - done, r->n - r->at);
		memcpy((char *)to + done, r->buf + r->at, part);
		r->at += part;
		done += part;
	}
	return r->raw && r->raw(r->raw_arg, to, n, e) < 0 ? -1 : 1;
}

int tar_data(struct tar_reader *r, const void **p, size_t *n, struct err *e)
{
	*n = 0;
	if (r->left == 0)
		return 0;
	if (fill(r, e) < 0)
		return -1;
	if (r->eof)
		return err_set(e, ERR_CORRUPT, "%s: the archive ends in the middle of the file",
			       r->path.p ? r->path.p : "");
	*n = (size_t)MIN((uint64_t)(r->n - r->at), r->left);
	*p = r->buf + r->at;
	r->at += *n;
	r->left -= *n;
	return 0;
}

static int skip_data(struct tar_reader *r, struct err *e)
{
	char block[TAR_BLOCK];
	const void *p;
	size_t n;
	int got;

	while (r->left)
		if (tar_data(r, &p, &n, e) < 0)
			return -1;
	if (r->pad == 0)
		return 0;
	got = take(r, block, r->pad, e);
	r->pad = 0;
	return got == 0 ? err_set(e, ERR_CORRUPT, "the archive ends in the middle of a block") : MIN(got, 0);
}

/* Octal digits between blanks, or GNU's base 256 (the first bit set). Errors: ERR_CORRUPT. */
static int number(const char *field, size_t n, const char *what, int64_t *ret, struct err *e)
{
	const unsigned char *f = (const unsigned char *)field;
	uint64_t v = 0;
	size_t i = 0;

	if (f[0] & 0x80) {
		bool negative = f[0] == 0xff;

		if (!negative && f[0] != 0x80)
			return err_set(e, ERR_CORRUPT, "the %s in a header is out of range", what);
		for (i = 1; i < n; i++) {
			if (i + 8 < n && f[i] != (negative ? 0xff : 0))
				return err_set(e, ERR_CORRUPT, "the %s in a header is out of range", what);
			v = v << 8 | f[i];
		}
		if (n < 9 && negative)
			v |= ~(uint64_t)0 << (8 * (n - 1));
		*ret = (int64_t)v;
		return (*ret < 0) == negative ? 0 :
			err_set(e, ERR_CORRUPT, "the %s in a header is out of range", what);
	}
	while (i < n && (f[i] == ' ' || f[i] == '\0'))
		i++;
	for (; i < n && f[i] >= '0' && f[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(f[i] - '0');	/* at most 12 digits: 36 bits */
	for (; i < n; i++)
		if (f[i] != ' ' && f[i] != '\0')
			return err_set(e, ERR_CORRUPT, "the %s in a header is not a number", what);
	*ret = (int64_t)v;
	return 0;
}

static int check_sum(const struct tar_header *h, struct err *e)
{
	const char *p = (const char *)h;
	int64_t want, plain = 0, with_sign = 0;

	if (number(h->chksum, sizeof(h->chksum), "checksum", &want, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(*h); i++) {
		bool own = p + i >= h->chksum && p + i < h->chksum + sizeof(h->chksum);

		plain += own ? ' ' : (unsigned char)p[i];
		with_sign += own ? ' ' : (signed char)p[i];
	}
	if (want != plain && want != with_sign)
		return err_set(e, ERR_CORRUPT, "a header's checksum is wrong: not a tar archive, or damaged");
	return 0;
}

static bool is_zero(const struct tar_header *h)
{
	const char *p = (const char *)h;

	return p[0] == '\0' && memcmp(p, p + 1, sizeof(*h) - 1) == 0;
}

/* After the two zero blocks: whatever fills the last record is part of the archive's bytes. */
static int drain(struct tar_reader *r, struct err *e)
{
	r->ended = true;
	for (;;) {
		if (fill(r, e) < 0)
			return -1;
		if (r->eof)
			return 0;
		if (r->raw && r->raw(r->raw_arg, r->buf + r->at, r->n - r->at, e) < 0)
			return -1;
		r->at = r->n;
	}
}

/* The next header that is not zero: 1, 0 at the end, -1. */
static int header(struct tar_reader *r, struct tar_header *h, struct err *e)
{
	int got;

	if (r->ended)
		return 0;
	got = take(r, h, sizeof(*h), e);
	if (got > 0 && is_zero(h)) {
		got = take(r, h, sizeof(*h), e);
		if (got > 0 && !is_zero(h))
			return err_set(e, ERR_CORRUPT, "a lone zero block in the middle of the archive");
		return got < 0 ? -1 : drain(r, e);
	}
	if (got == 0)
		r->ended = true;
	if (got <= 0)
		return got;
	return check_sum(h, e) < 0 ? -1 : 1;
}

static int ext_body(struct tar_reader *r, const struct tar_header *h, struct err *e)
{
	int64_t size;
	size_t whole;
	int got;

	if (number(h->size, sizeof(h->size), "size", &size, e) < 0)
		return -1;
	if (size < 0 || (uint64_t)size > TAR_EXT_MAX)
		return err_set(e, ERR_LIMIT, "an extension header of more than %zu bytes", TAR_EXT_MAX);
	buf_reset(&r->ext);
	whole = ((size_t)size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	buf_reserve(&r->ext, whole + 1);
	got = whole ? take(r, r->ext.p, whole, e) : 1;
	if (got == 0)
		return err_set(e, ERR_CORRUPT, "the archive ends in the middle of a header");
	r->ext.n = (size_t)size;
	r->ext.p[r->ext.n] = '\0';
	return MIN(got, 0);
}

static int gnu_long(struct tar_reader *r, struct buf *to, bool *has, struct err *e)
{
	size_t n = strnlen(r->ext.p, r->ext.n);

	if (*has)
		return err_set(e, ERR_CORRUPT, "two long names for one entry");
	if (n > TAR_PATH_MAX)
		return err_set(e, ERR_LIMIT, "a name of more than %d bytes", TAR_PATH_MAX);
	buf_reset(to);
	buf_add(to, r->ext.p, n);
	*has = true;
	return 0;
}

/* An extension before an entry: 1 it was one, 0 it is the entry's own header, -1. */
static int extension(struct tar_reader *r, const struct tar_header *h, struct err *e)
{
	if (!memchr("xgLK", h->type, 4))
		return 0;
	if (ext_body(r, h, e) < 0)
		return -1;
	switch (h->type) {
	case 'L':
		return gnu_long(r, &r->long_name, &r->has_long_name, e) < 0 ? -1 : 1;
	case 'K':
		return gnu_long(r, &r->long_link, &r->has_long_link, e) < 0 ? -1 : 1;
	case 'g':
		return tar_pax_check_global(buf_view(&r->ext), e) < 0 ? -1 : 1;
	default:
		if (r->pax.set)
			return err_set(e, ERR_CORRUPT, "two pax headers for one entry");
		return tar_pax_parse(&r->pax, buf_view(&r->ext), e) < 0 ? -1 : 1;
	}
}

int tar_clean_path(struct str name, struct buf *ret, struct err *e)
{
	size_t depth = 0;

	buf_reset(ret);
	if (name.n == 0)
		return err_set(e, ERR_CORRUPT, "an entry without a name");
	if (name.n > TAR_PATH_MAX)
		return err_set(e, ERR_LIMIT, "a name of more than %d bytes", TAR_PATH_MAX);
	if (memchr(name.p, '\0', name.n))
		return err_set(e, ERR_CORRUPT, "a name with a zero byte");
	for (struct str rest = name; rest.p; ) {
		struct str part = str_cut(&rest, '/');

		if (part.n == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			if (depth == 0)
				return err_set(e, ERR_CORRUPT, "the name " STR_FMT " leads out of the archive's root",
					       STR_ARG(name));
			while (ret->n && ret->p[--ret->n] != '/')
				;
			depth--;
			continue;
		}
		if (++depth > TAR_DEPTH_MAX)
			return err_set(e, ERR_LIMIT, "a path of more than %d components", TAR_DEPTH_MAX);
		if (ret->n)
			buf_putc(ret, '/');
		buf_str(ret, part);
	}
	if (ret->n == 0)
		buf_putc(ret, '.');
	ret->p[ret->n] = '\0';
	return 0;
}

static struct str field(const char *p, size_t n)
{
	return (struct str){ p, strnlen(p, n) };
}

/* The name as the headers give it: pax, GNU or ustar; two of the first kinds at once are refused. */
static int raw_name(struct tar_reader *r, const struct tar_header *h, struct buf *ret, struct err *e)
{
	struct str name = field(h->name, sizeof(h->name)), prefix = field(h->prefix, sizeof(h->prefix));

	buf_reset(ret);
	if (r->has_long_name && r->pax.path.p)
		return err_set(e, ERR_CORRUPT, "two long names for one entry");
	if (r->has_long_name)
		buf_str(ret, buf_view(&r->long_name));
	else if (r->pax.path.p)
		buf_str(ret, r->pax.path);
	else {
		if (prefix.n && memcmp(h->magic, "ustar", 6) == 0) {
			buf_str(ret, prefix);
			buf_putc(ret, '/');
		}
		buf_str(ret, name);
	}
	return 0;
}

static int set_link(struct tar_reader *r, const struct tar_header *h, struct tar_entry *t, struct err *e)
{
	struct str link = field(h->linkname, sizeof(h->linkname));

	if (t->type != TAR_LINK && t->type != TAR_SYMLINK)
		return 0;
	if (r->has_long_link && r->pax.linkpath.p)
		return err_set(e, ERR_CORRUPT, "%s: two link targets", t->path);
	if (r->has_long_link)
		link = buf_view(&r->long_link);
	else if (r->pax.linkpath.p)
		link = r->pax.linkpath;
	if (t->type == TAR_LINK) {
		if (tar_clean_path(link, &r->link, e) < 0)
			return err_wrap(e, "%s: link target", t->path);
	} else {
		if (link.n == 0 || memchr(link.p, '\0', link.n))
			return err_set(e, ERR_CORRUPT, "%s: a symbolic link without a proper target", t->path);
		if (link.n >= TAR_PATH_MAX)
			return err_set(e, ERR_LIMIT, "%s: a link target of more than %d bytes", t->path,
				       TAR_PATH_MAX);
		buf_reset(&r->link);
		buf_str(&r->link, link);
	}
	t->link = r->link.p;
	return 0;
}

static int set_type(const struct tar_header *h, bool slash, struct tar_entry *t, struct err *e)
{
	switch (h->type) {
	case '\0': case '0': case '7':
		t->type = slash ? TAR_DIR : TAR_FILE;	/* v7 has no type for directories */
		return 0;
	case '1': case '2': case '3': case '4': case '5': case '6':
		t->type = (enum tar_type)h->type;
		return 0;
	case 'S':
		return err_set(e, ERR_CORRUPT, "%s: sparse files are not allowed in a layer", t->path);
	default:
		return err_set(e, ERR_CORRUPT, "%s: an entry of unknown type %#x", t->path,
			       (unsigned char)h->type);
	}
}

/* One decision on the size: what the headers say must agree. */
static int set_size(struct tar_reader *r, const struct tar_header *h, struct tar_entry *t, struct err *e)
{
	int64_t size;

	if (number(h->size, sizeof(h->size), "size", &size, e) < 0)
		return err_wrap(e, "%s", t->path);
	if (size < 0)
		return err_set(e, ERR_CORRUPT, "%s: a negative size", t->path);
	if (r->pax.has_size && size != 0 && size != r->pax.size && r->pax.size <= TAR_OCTAL11_MAX)
		return err_set(e, ERR_CORRUPT, "%s: its headers disagree on its size", t->path);
	if (r->pax.has_size)
		size = r->pax.size;
	if (t->type != TAR_FILE && size != 0)
		return err_set(e, ERR_CORRUPT, "%s: an entry with data that is not a file", t->path);
	t->size = (uint64_t)size;
	return 0;
}

static int set_ids(struct tar_reader *r, const struct tar_header *h, struct tar_entry *t, struct err *e)
{
	int64_t mode, uid, gid, mtime, major = 0, minor = 0;

	if (number(h->mode, sizeof(h->mode), "mode", &mode, e) < 0 ||
	    number(h->uid, sizeof(h->uid), "uid", &uid, e) < 0 ||
	    number(h->gid, sizeof(h->gid), "gid", &gid, e) < 0 ||
	    number(h->mtime, sizeof(h->mtime), "time", &mtime, e) < 0)
		return err_wrap(e, "%s", t->path);
	if ((t->type == TAR_CHAR || t->type == TAR_BLOCKDEV) &&
	    (number(h->major, sizeof(h->major), "device number", &major, e) < 0 ||
	     number(h->minor, sizeof(h->minor), "device number", &minor, e) < 0))
		return err_wrap(e, "%s", t->path);
	if (r->pax.has_uid)
		uid = r->pax.uid;
	if (r->pax.has_gid)
		gid = r->pax.gid;
	if (uid < 0 || uid > UINT32_MAX - 1 || gid < 0 || gid > UINT32_MAX - 1)
		return err_set(e, ERR_CORRUPT, "%s: its owner %lld:%lld is out of range", t->path,
			       (long long)uid, (long long)gid);
	if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff)
		return err_set(e, ERR_CORRUPT, "%s: device number out of range", t->path);
	t->mode = (mode_t)mode & 07777;
	t->uid = (uint64_t)uid;
	t->gid = (uint64_t)gid;
	t->mtime = r->pax.has_mtime ? r->pax.mtime : mtime;
	t->mtime_ns = r->pax.has_mtime ? r->pax.mtime_ns : 0;
	t->major = (uint32_t)major;
	t->minor = (uint32_t)minor;
	return 0;
}

static int set_entry(struct tar_reader *r, const struct tar_header *h, struct tar_entry *t, struct err *e)
{
	auto_buf struct buf name = { 0 };
	bool slash;

	*t = (struct tar_entry){ 0 };
	if (raw_name(r, h, &name, e) < 0 || tar_clean_path(buf_view(&name), &r->path, e) < 0)
		return -1;
	slash = name.p[name.n - 1] == '/';
	t->path = r->path.p;
	if (set_type(h, slash, t, e) < 0 || set_size(r, h, t, e) < 0 || set_ids(r, h, t, e) < 0 ||
	    set_link(r, h, t, e) < 0)
		return -1;
	t->xattrs = r->pax.xattrs;
	t->nxattrs = r->pax.nxattrs;
	return 0;
}

int tar_next(struct tar_reader *r, struct tar_entry *t, struct err *e)
{
	struct tar_header h;
	int got;

	if (skip_data(r, e) < 0)
		return -1;
	tar_pax_reset(&r->pax);
	r->has_long_name = r->has_long_link = false;
	do {
		got = header(r, &h, e);
		if (got == 0 && (r->pax.set || r->has_long_name || r->has_long_link))
			return err_set(e, ERR_CORRUPT, "an extension header without an entry");
		if (got <= 0)
			return got;
		got = extension(r, &h, e);
	} while (got > 0);
	if (got < 0 || set_entry(r, &h, t, e) < 0)
		return -1;
	r->left = t->size;
	r->pad = (unsigned)(t->size % TAR_BLOCK ? TAR_BLOCK - t->size % TAR_BLOCK : 0);
	return 1;
}
