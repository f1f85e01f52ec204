/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical tar writer: the same entries in, the same bytes out, on any machine. */
#include "cache/tar.h"

#include <stdio.h>

#include "cache/tar_header.h"

static const char zeros[TAR_BLOCK * 2];

void tar_write_init(struct tar_writer *w, bytes_put put, void *arg)
{
	*w = (struct tar_writer){ .put = put, .arg = arg };
}

void tar_write_done(struct tar_writer *w)
{
	buf_done(&w->pax);
}

static int emit(struct tar_writer *w, const void *p, size_t n, struct err *e)
{
	if (w->put(w->arg, p, n, e) < 0)
		return -1;
	w->size += n;
	return 0;
}

/* n - 1 octal digits and a NUL; what does not fit is 0, its pax record says the value. */
static void put_octal(char *field, size_t n, uint64_t v)
{
	if (v >> (3 * (n - 1)))
		v = 0;
	field[--n] = '\0';
	while (n--) {
		field[n] = (char)('0' + (v & 7));
		v >>= 3;
	}
}

static bool is_ascii(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

/* The slash at which a ustar name can be cut into prefix (155) and name (100); NULL if there is none. */
static const char *ustar_split(const char *path, size_t n)
{
	for (size_t i = MIN(n, (size_t)156); i-- > 0; )
		if (path[i] == '/' && i > 0 && i + 1 < n)
			return n - i - 1 <= 100 ? path + i : NULL;
	return NULL;
}

/* Put path into the header; returns false if it needs a pax record (the header then has a rough copy). */
static bool put_path(struct tar_header *h, const char *path)
{
	size_t n = strlen(path), at = 0;
	const char *cut;

	if (is_ascii(path)) {
		if (n <= sizeof(h->name)) {
			memcpy(h->name, path, n);
			return true;
		}
		cut = ustar_split(path, n);
		if (cut) {
			memcpy(h->prefix, path, (size_t)(cut - path));
			memcpy(h->name, cut + 1, n - (size_t)(cut + 1 - path));
			return true;
		}
	}
	for (size_t i = 0; i < n && at < sizeof(h->name); i++)
		if ((unsigned char)path[i] < 0x80)
			h->name[at++] = path[i];
	return false;
}

static void finish_header(struct tar_header *h)
{
	unsigned sum = 0;

	memcpy(h->magic, "ustar\0" "00", 8);
	memset(h->chksum, ' ', sizeof(h->chksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += ((const unsigned char *)h)[i];
	put_octal(h->chksum, 7, sum);
}

/* "LEN key=value\n", where LEN counts itself. */
static void pax_add(struct buf *b, const char *prefix, struct str key, struct str value)
{
	size_t body = strlen(prefix) + key.n + value.n + 3, len = body, digits;
	char num[24];

	do {
		digits = (size_t)snprintf(num, sizeof(num), "%zu", len);
		len = body + digits;
	} while ((size_t)snprintf(num, sizeof(num), "%zu", len) != digits);
	buf_printf(b, "%s %s", num, prefix);
	buf_str(b, key);
	buf_putc(b, '=');
	buf_str(b, value);
	buf_putc(b, '\n');
}

static void pax_num(struct buf *b, const char *key, int64_t v)
{
	char num[24];

	snprintf(num, sizeof(num), "%lld", (long long)v);
	pax_add(b, "", str_of(key), str_of(num));
}

static int emit_padded(struct tar_writer *w, const void *p, size_t n, struct err *e)
{
	size_t over = n % TAR_BLOCK;

	if (emit(w, p, n, e) < 0)
		return -1;
	return over ? emit(w, zeros, TAR_BLOCK - over, e) : 0;
}

static int emit_pax(struct tar_writer *w, struct err *e)
{
	struct tar_header h = { .name = "PaxHeaders.0/x", .type = 'x' };

	if (w->pax.n == 0)
		return 0;
	put_octal(h.mode, sizeof(h.mode), 0);
	put_octal(h.uid, sizeof(h.uid), 0);
	put_octal(h.gid, sizeof(h.gid), 0);
	put_octal(h.size, sizeof(h.size), w->pax.n);
	put_octal(h.mtime, sizeof(h.mtime), 0);
	put_octal(h.major, sizeof(h.major), 0);
	put_octal(h.minor, sizeof(h.minor), 0);
	finish_header(&h);
	if (emit(w, &h, sizeof(h), e) < 0)
		return -1;
	return emit_padded(w, w->pax.p, w->pax.n, e);
}

/* The records in the order of their keys' bytes. */
static void build_pax(struct tar_writer *w, const struct tar_entry *t, const char *path, bool path_fits)
{
	struct buf *b = &w->pax;

	buf_reset(b);
	for (size_t i = 0; i < t->nxattrs; i++)
		pax_add(b, "SCHILY.xattr.", t->xattrs[i].key, t->xattrs[i].value);
	if (t->gid > TAR_ID_MAX)
		pax_num(b, "gid", (int64_t)t->gid);
	if (t->link && (strlen(t->link) > 100 || !is_ascii(t->link)))
		pax_add(b, "", STR_LIT("linkpath"), str_of(t->link));
	if (t->mtime < 0 || t->mtime > TAR_OCTAL11_MAX)
		pax_num(b, "mtime", t->mtime);
	if (!path_fits)
		pax_add(b, "", STR_LIT("path"), str_of(path));
	if (t->size > TAR_OCTAL11_MAX)
		pax_num(b, "size", (int64_t)t->size);
	if (t->uid > TAR_ID_MAX)
		pax_num(b, "uid", (int64_t)t->uid);
}

int tar_write_entry(struct tar_writer *w, const struct tar_entry *t, struct err *e)
{
	struct tar_header h = { .type = (char)t->type };
	auto_free char *dir = t->type == TAR_DIR ? xasprintf("%s/", t->path) : NULL;
	const char *path = dir ? dir : t->path;

	if (w->left)
		return err_set(e, ERR_CONFLICT, "the file before %s became shorter while it was read", t->path);
	if (w->pad && emit(w, zeros, w->pad, e) < 0)
		return -1;
	w->pad = 0;
	build_pax(w, t, path, put_path(&h, path));
	if (t->link)
		for (size_t i = 0, at = 0; t->link[i] && at < sizeof(h.linkname); i++)
			if ((unsigned char)t->link[i] < 0x80)
				h.linkname[at++] = t->link[i];
	put_octal(h.mode, sizeof(h.mode), t->mode & 07777);
	put_octal(h.uid, sizeof(h.uid), t->uid);
	put_octal(h.gid, sizeof(h.gid), t->gid);
	put_octal(h.size, sizeof(h.size), t->size);
	put_octal(h.mtime, sizeof(h.mtime), t->mtime < 0 ? 0 : (uint64_t)t->mtime);
	put_octal(h.major, sizeof(h.major), t->major);
	put_octal(h.minor, sizeof(h.minor), t->minor);
	finish_header(&h);
	if (emit_pax(w, e) < 0 || emit(w, &h, sizeof(h), e) < 0)
		return -1;
	w->left = t->size;
	w->pad = (unsigned)(t->size % TAR_BLOCK ? TAR_BLOCK - t->size % TAR_BLOCK : 0);
	return 0;
}

int tar_write_data(struct tar_writer *w, const void *p, size_t n, struct err *e)
{
	if (n > w->left)
		return err_set(e, ERR_CONFLICT, "the file grew while it was read");
	w->left -= n;
	return emit(w, p, n, e);
}

int tar_write_end(struct tar_writer *w, struct err *e)
{
	if (w->left)
		return err_set(e, ERR_CONFLICT, "the last file became shorter while it was read");
	if (w->pad && emit(w, zeros, w->pad, e) < 0)
		return -1;
	w->pad = 0;
	return emit(w, zeros, sizeof(zeros), e);
}
