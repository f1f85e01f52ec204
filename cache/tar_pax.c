/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing pax records, strictly. POSIX.1-2008 pax, "pax Extended Header". */
#include "cache/tar_pax.h"

#define XATTR_PREFIX "SCHILY.xattr."
#define XATTRS_MAX 256

void tar_pax_reset(struct tar_pax *p)
{
	struct buf text = p->text;

	free(p->xattrs);
	*p = (struct tar_pax){ .text = text };
	buf_reset(&p->text);
}

void tar_pax_done(struct tar_pax *p)
{
	free(p->xattrs);
	buf_done(&p->text);
}

/* One record from the front of *rest: 1, 0 at the end, -1. */
static int next_record(struct str *rest, struct str *key, struct str *value, struct err *e)
{
	ptrdiff_t blank, equals;
	uint64_t len;
	struct str body;

	if (rest->n == 0)
		return 0;
	blank = str_find(*rest, ' ');
	if (blank <= 0 || blank > 8 || rest->p[0] == '0' ||
	    !str_to_u64(str_sub(*rest, 0, (size_t)blank), 10, &len) || len > rest->n ||
	    len < (uint64_t)blank + 4 || rest->p[len - 1] != '\n')
		return err_set(e, ERR_CORRUPT, "a malformed pax header");
	body = str_sub(*rest, (size_t)blank + 1, (size_t)len - (size_t)blank - 2);
	equals = str_find(body, '=');
	if (equals <= 0)
		return err_set(e, ERR_CORRUPT, "a malformed pax header");
	*key = str_sub(body, 0, (size_t)equals);
	*value = str_sub(body, (size_t)equals + 1, body.n);
	*rest = str_sub(*rest, (size_t)len, rest->n);
	return 1;
}

static int whole(struct str key, struct str value, bool *has, int64_t *ret, struct err *e)
{
	uint64_t v;

	*has = value.n > 0;		/* an empty value takes the record back */
	if (!*has)
		return 0;
	if (!str_to_u64(value, 10, &v) || v > INT64_MAX)
		return err_set(e, ERR_CORRUPT, "pax record " STR_FMT ": not a number", STR_ARG(key));
	*ret = (int64_t)v;
	return 0;
}

/* "[-]seconds[.fraction]" */
static int set_mtime(struct tar_pax *p, struct str value, struct err *e)
{
	bool negative = value.n && value.p[0] == '-';
	struct str rest = str_sub(value, negative, value.n), seconds = str_cut(&rest, '.');
	uint32_t ns = 0, unit = 100000000;
	uint64_t v;

	p->has_mtime = value.n > 0;
	if (!p->has_mtime)
		return 0;
	if (!str_to_u64(seconds, 10, &v) || v > (uint64_t)1 << 40)
		return err_set(e, ERR_CORRUPT, "pax record mtime: not a time");
	for (size_t i = 0; rest.p && i < rest.n; i++, unit /= 10) {
		if (rest.p[i] < '0' || rest.p[i] > '9')
			return err_set(e, ERR_CORRUPT, "pax record mtime: not a time");
		ns += unit * (uint32_t)(rest.p[i] - '0');
	}
	p->mtime = negative ? -(int64_t)v : (int64_t)v;
	p->mtime_ns = ns;
	if (negative && ns) {
		p->mtime--;
		p->mtime_ns = 1000000000 - ns;
	}
	return 0;
}

static int add_xattr(struct tar_pax *p, struct str key, struct str value, struct err *e)
{
	size_t at = 0;
	int order = -1;

	if (key.n == 0 || key.n > 255 || memchr(key.p, '\0', key.n) || value.n > 65536)
		return err_set(e, ERR_CORRUPT, "an extended attribute that no file can have");
	while (at < p->nxattrs && (order = str_cmp(p->xattrs[at].key, key)) < 0)
		at++;
	if (at < p->nxattrs && order == 0) {
		p->xattrs[at].value = value;
		return 0;
	}
	if (p->nxattrs == XATTRS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d extended attributes of one file", XATTRS_MAX);
	p->xattrs = xrealloc(p->xattrs, (p->nxattrs + 1) * sizeof(*p->xattrs));
	memmove(p->xattrs + at + 1, p->xattrs + at, (p->nxattrs - at) * sizeof(*p->xattrs));
	p->xattrs[at] = (struct tar_xattr){ key, value };
	p->nxattrs++;
	return 0;
}

static int set_record(struct tar_pax *p, struct str key, struct str value, struct err *e)
{
	if (str_is(key, "path"))
		p->path = value.n ? value : (struct str){ 0 };
	else if (str_is(key, "linkpath"))
		p->linkpath = value.n ? value : (struct str){ 0 };
	else if (str_is(key, "size"))
		return whole(key, value, &p->has_size, &p->size, e);
	else if (str_is(key, "uid"))
		return whole(key, value, &p->has_uid, &p->uid, e);
	else if (str_is(key, "gid"))
		return whole(key, value, &p->has_gid, &p->gid, e);
	else if (str_is(key, "mtime"))
		return set_mtime(p, value, e);
	else if (str_starts(key, XATTR_PREFIX))
		return add_xattr(p, str_sub(key, sizeof(XATTR_PREFIX) - 1, key.n), value, e);
	else if (str_starts(key, "GNU.sparse.") || str_starts(key, "SCHILY.realsize") ||
		 str_starts(key, "SUN.holesdata"))
		return err_set(e, ERR_CORRUPT, "sparse files are not allowed in a layer");
	return 0;			/* atime, ctime, user names, comments, vendors' own */
}

int tar_pax_parse(struct tar_pax *p, struct str body, struct err *e)
{
	struct str key, value, rest;
	int got;

	tar_pax_reset(p);
	p->text.max = TAR_EXT_MAX + 1;
	buf_str(&p->text, body);
	rest = buf_view(&p->text);
	while ((got = next_record(&rest, &key, &value, e)) > 0)
		if (set_record(p, key, value, e) < 0)
			return -1;
	p->set = true;
	return got;
}

int tar_pax_check_global(struct str body, struct err *e)
{
	static const char *const harmless[] = { "comment", "atime", "ctime", "uname", "gname", "charset",
						"hdrcharset", "VENDOR." };
	struct str key, value;
	int got;

	while ((got = next_record(&body, &key, &value, e)) > 0) {
		bool fine = false;

		for (size_t i = 0; i < countof(harmless) && !fine; i++)
			fine = str_starts(key, harmless[i]);
		if (!fine)
			return err_set(e, ERR_CORRUPT, "a global pax header that sets " STR_FMT, STR_ARG(key));
	}
	return got;
}
