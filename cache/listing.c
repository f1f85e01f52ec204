/* SPDX-License-Identifier: Apache-2.0 */
/* Packing listings, and telling two of them apart. */
#include "cache/listing.h"

#include <endian.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cache/keys.h"
#include "cache/treehash.h"

#define DIFF_DEPTH_MAX 1024

struct packed {			/* little-endian; followed by the name */
	uint32_t type, mode, uid, gid;
	uint64_t size;
	uint8_t digest[32];
	uint32_t name_len;
} __attribute__((packed));

void listing_add(struct buf *b, const struct listing_entry *l)
{
	struct packed p = {
		.type = htole32(l->type), .mode = htole32(l->mode), .uid = htole32(l->uid), .gid = htole32(l->gid),
		.size = htole64(l->size), .name_len = htole32((uint32_t)l->name.n),
	};

	memcpy(p.digest, l->digest, sizeof(p.digest));
	buf_add(b, &p, sizeof(p));
	buf_str(b, l->name);
}

bool listing_next(struct str *rest, struct listing_entry *ret)
{
	struct packed p;
	uint32_t n;

	if (rest->n < sizeof(p))
		return false;
	memcpy(&p, rest->p, sizeof(p));
	n = le32toh(p.name_len);
	if (rest->n - sizeof(p) < n)
		return false;
	*ret = (struct listing_entry){
		.type = le32toh(p.type), .mode = le32toh(p.mode), .uid = le32toh(p.uid), .gid = le32toh(p.gid),
		.size = le64toh(p.size), .name = { rest->p + sizeof(p), n },
	};
	memcpy(ret->digest, p.digest, sizeof(ret->digest));
	*rest = str_sub(*rest, sizeof(p) + n, rest->n);
	return true;
}

struct differ {
	struct store *s;
	struct buf path;
	struct buf *ret;
	int depth;
};

static const char *kind(uint32_t type)
{
	switch (type) {
	case S_IFREG: return "file";
	case S_IFDIR: return "directory";
	case S_IFLNK: return "symbolic link";
	case S_IFIFO: return "pipe";
	default: return "device";
	}
}

/* "PATH: TEXT" */
static int say(struct differ *d, const struct listing_entry *l, const char *text)
{
	size_t len = d->path.n;

	if (len && l->name.n)
		buf_putc(&d->path, '/');
	buf_str(&d->path, l->name);
	if (d->path.n)
		buf_printf(d->ret, "%s: ", d->path.p);
	buf_puts(d->ret, text);
	d->path.p[d->path.n = len] = '\0';
	return 1;
}

static int diff_listings(struct differ *d, const struct digest *was, const struct digest *is, struct err *e);

static int diff_inside(struct differ *d, const struct listing_entry *was, const struct listing_entry *is,
		       struct err *e)
{
	struct digest a = { .alg = HASH_SHA256 }, b = { .alg = HASH_SHA256 };
	size_t len = d->path.n;
	int r;

	memcpy(a.b, was->digest, 32);
	memcpy(b.b, is->digest, 32);
	if (len && is->name.n)
		buf_putc(&d->path, '/');
	buf_str(&d->path, is->name);
	r = diff_listings(d, &a, &b, e);
	d->path.p[d->path.n = len] = '\0';
	return r != 0 ? r : say(d, is, "something in it changed");
}

/* The start of each digest is enough to see which version is which. */
static void contents_text(const struct listing_entry *was, const struct listing_entry *is, char *ret,
			  size_t max)
{
	struct digest a = { .alg = HASH_SHA256 }, b = { .alg = HASH_SHA256 };
	char old[DIGEST_TEXT_MAX], new[DIGEST_TEXT_MAX];

	memcpy(a.b, was->digest, 32);
	memcpy(b.b, is->digest, 32);
	snprintf(ret, max, "contents changed, %.12s -> %.12s (%llu -> %llu bytes)", digest_hex(&a, old),
		 digest_hex(&b, new), (unsigned long long)was->size, (unsigned long long)is->size);
}

static int diff_entries(struct differ *d, const struct listing_entry *was, const struct listing_entry *is,
			struct err *e)
{
	char text[128];

	if (was->type != is->type)
		snprintf(text, sizeof(text), "%s -> %s", kind(was->type), kind(is->type));
	else if (was->mode != is->mode)
		snprintf(text, sizeof(text), "mode %o -> %o", was->mode, is->mode);
	else if (was->uid != is->uid || was->gid != is->gid)
		snprintf(text, sizeof(text), "owner %u:%u -> %u:%u", was->uid, was->gid, is->uid, is->gid);
	else if (was->type == S_IFDIR)
		return memcmp(was->digest, is->digest, 32) ? diff_inside(d, was, is, e) : 0;
	else if (was->type == S_IFLNK && memcmp(was->digest, is->digest, 32) != 0)
		snprintf(text, sizeof(text), "link target changed");
	else if (memcmp(was->digest, is->digest, 32) != 0 || was->size != is->size)
		contents_text(was, is, text, sizeof(text));
	else
		return 0;
	return say(d, is, text);
}

static int diff_texts(struct differ *d, struct str was, struct str is, struct err *e)
{
	struct listing_entry a, b;
	bool more_a = listing_next(&was, &a), more_b = listing_next(&is, &b);

	while (more_a || more_b) {
		int order = !more_a ? 1 : !more_b ? -1 : str_cmp(a.name, b.name), r;

		if (order != 0)
			return order < 0 ? say(d, &a, "removed") : say(d, &b, "added");
		r = diff_entries(d, &a, &b, e);
		if (r != 0)
			return r;
		more_a = listing_next(&was, &a);
		more_b = listing_next(&is, &b);
	}
	return 0;
}

static int diff_listings(struct differ *d, const struct digest *was, const struct digest *is, struct err *e)
{
	auto_buf struct buf a = { .max = (size_t)1 << 30 }, b = { .max = (size_t)1 << 30 };
	int r;

	if (d->depth == DIFF_DEPTH_MAX)
		return 0;
	r = trees_get(d->s, was, &a, e);
	if (r > 0)
		r = trees_get(d->s, is, &b, e);
	if (r <= 0)
		return r;
	d->depth++;
	r = diff_texts(d, buf_view(&a), buf_view(&b), e);
	d->depth--;
	return r;
}

int tree_diff(struct store *s, const struct digest *was, const struct digest *is, struct buf *ret, struct err *e)
{
	struct differ d = { .s = s, .ret = ret };
	int r = digest_eq(was, is) ? 0 : diff_listings(&d, was, is, e);

	buf_done(&d.path);
	return r;
}
