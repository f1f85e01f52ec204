/* SPDX-License-Identifier: Apache-2.0 */
/* Checking EROFS indexes by offsets of its own: nothing here shares code with the writer. */
#include "tests/unit/erofs_image.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK 512u
#define SUPER 1024u

struct image {
	const uint8_t *p;
	size_t n;
	uint64_t tar_blocks, first;	/* of the device, and where it begins in the common address space */
	uint64_t xattrs;		/* offset of the shared area */
	uint32_t *links;		/* by nid: how often a name leads to it */
	bool *seen;			/* by nid */
	const char *why;
	struct image_sum sum;
};

struct inode {
	uint64_t nid, at, size, data;	/* data: offset of what follows inode and attributes */
	uint32_t mode, nlink, u, layout, xattrs;
};

static bool fail(struct image *m, const char *why)
{
	if (!m->why)
		m->why = why;
	return false;
}

static uint64_t num(const struct image *m, uint64_t at, unsigned bytes)
{
	uint64_t v = 0;

	if (at > m->n || bytes > m->n - at)
		return 0;
	for (unsigned i = bytes; i-- > 0; )
		v = v << 8 | m->p[at + i];
	return v;
}

static uint32_t crc(const uint8_t *p, size_t n, size_t hole)
{
	uint32_t c = ~0u;

	for (size_t i = 0; i < n; i++) {
		c ^= i - hole < 4 ? 0 : p[i];
		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
	}
	return c;
}

static bool check_super(struct image *m, uint64_t tar_size)
{
	if (m->n < SUPER + BLOCK || m->n % BLOCK)
		return fail(m, "size of the image");
	if (num(m, SUPER, 4) != 0xe0f5e1e2u || num(m, SUPER + 8, 4) != 3 || num(m, SUPER + 80, 4) != 8)
		return fail(m, "magic or features");
	if (num(m, SUPER + 4, 4) != crc(m->p + SUPER, BLOCK, 4))
		return fail(m, "checksum");
	if (num(m, SUPER + 12, 1) != 9 || num(m, SUPER + 40, 4) != 0 || num(m, SUPER + 90, 1) != 0)
		return fail(m, "block sizes");
	if (num(m, SUPER + 36, 4) != m->n / BLOCK)
		return fail(m, "count of blocks");
	if (num(m, SUPER + 86, 2) != 1 || num(m, SUPER + 88, 2) * 128 != SUPER + 128)
		return fail(m, "device table");
	m->tar_blocks = num(m, SUPER + 128 + 64, 4);
	m->first = num(m, SUPER + 128 + 68, 4);
	m->xattrs = num(m, SUPER + 44, 4) * BLOCK;
	if (m->tar_blocks != (tar_size + BLOCK - 1) / BLOCK || m->first < m->n / BLOCK)
		return fail(m, "device");
	return true;
}

static bool get_inode(struct image *m, uint64_t nid, struct inode *ret)
{
	uint64_t at = nid * 32;
	uint32_t format = (uint32_t)num(m, at, 2), icount = (uint32_t)num(m, at + 2, 2);
	bool extended = format & 1;

	if (nid > m->n / 32 || at < SUPER + BLOCK || at + (extended ? 64 : 32) > m->n)
		return fail(m, "inode out of bounds");
	if (format & ~0xfu || (format >> 1 != 0 && format >> 1 != 2))
		return fail(m, "inode format");
	*ret = (struct inode){ .nid = nid, .at = at, .layout = format >> 1, .xattrs = icount };
	ret->mode = (uint32_t)num(m, at + 4, 2);
	ret->size = num(m, at + 8, extended ? 8 : 4);
	ret->u = (uint32_t)num(m, at + 16, 4);
	ret->nlink = (uint32_t)(extended ? num(m, at + 44, 4) : num(m, at + 6, 2));
	ret->data = at + (extended ? 64 : 32) + (icount ? 12 + 4 * (uint64_t)(icount - 1) : 0);
	if (num(m, at + 20, 4) == 0 || ret->nlink == 0)
		return fail(m, "inode without number or links");
	if (extended && num(m, at + 40, 4) >= 1000000000)
		return fail(m, "nanoseconds");
	if (at / BLOCK != (at + (extended ? 64 : 32) - 1) / BLOCK || ret->data > m->n)
		return fail(m, "inode across blocks");
	if (!m->seen[nid]) {
		m->sum.compact += !extended;
		m->sum.inlined += ret->layout == 2;
	}
	return true;
}

static bool check_xattr(struct image *m, uint64_t at, uint64_t end, uint64_t *next)
{
	uint64_t name = num(m, at, 1), prefix = num(m, at + 1, 1), value = num(m, at + 2, 2);

	*next = at + ((4 + name + value + 3) & ~(uint64_t)3);
	if (at + 4 > end || *next > end || name == 0 || (prefix != 1 && prefix != 4 && prefix != 6))
		return fail(m, "attribute");
	if (memchr(m->p + at + 4, 0, name))
		return fail(m, "attribute's name");
	return true;
}

static bool check_xattrs(struct image *m, const struct inode *i)
{
	uint64_t at = i->data - (i->xattrs ? 12 + 4 * (uint64_t)(i->xattrs - 1) : 0), shared = num(m, at + 4, 1), next;

	if (i->xattrs == 0)
		return true;
	if (i->xattrs == 1 || at + 12 + 4 * shared > i->data)
		return fail(m, "attribute header");
	for (uint64_t k = 0; k < shared; k++)
		if (!check_xattr(m, m->xattrs + 4 * num(m, at + 12 + 4 * k, 4), m->n, &next))
			return false;
	m->sum.shared += shared;
	for (at += 12 + 4 * shared; at < i->data; at = next)
		if (!check_xattr(m, at, i->data, &next))
			return false;
	return true;
}

/* Where the data of a directory or link are in the image. */
static bool get_data(struct image *m, const struct inode *i, uint64_t *ret)
{
	*ret = i->layout == 2 ? i->data : (uint64_t)i->u * BLOCK;
	if (i->layout == 2 && (i->size > BLOCK || *ret / BLOCK != (*ret + i->size - 1) / BLOCK))
		return fail(m, "inline data across blocks");
	if (*ret > m->n || i->size > m->n - *ret || i->size == 0)
		return fail(m, "data out of bounds");
	return true;
}

static unsigned type_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return 1;
	case S_IFDIR: return 2;
	case S_IFCHR: return 3;
	case S_IFBLK: return 4;
	case S_IFIFO: return 5;
	case S_IFLNK: return 7;
	default: return 0;
	}
}

static bool check_leaf(struct image *m, const struct inode *i)
{
	uint64_t at;

	if (S_ISLNK(i->mode))
		return get_data(m, i, &at) && (i->size < 4096 || fail(m, "length of a link")) &&
			(!memchr(m->p + at, 0, i->size) || fail(m, "NUL in a link"));
	if (i->layout != 0)
		return fail(m, "inline data of a file");
	if (!S_ISREG(i->mode))
		return i->size == 0 || fail(m, "a device with data");
	m->sum.files++;
	m->sum.bytes += i->size;
	if (i->size == 0)
		return true;
	if (i->u < m->first || i->u - m->first + (i->size + BLOCK - 1) / BLOCK > m->tar_blocks)
		return fail(m, "a file's data are outside of the tar");
	return true;
}

struct todo {
	uint64_t nid, parent;
};

struct queue {
	struct todo *v;
	size_t n, cap;
};

static void push(struct queue *q, uint64_t nid, uint64_t parent)
{
	if (q->n == q->cap) {
		q->cap = q->cap ? 2 * q->cap : 64;
		q->v = realloc(q->v, q->cap * sizeof(*q->v));
		if (!q->v)
			abort();
	}
	q->v[q->n++] = (struct todo){ nid, parent };
}

struct dirent {
	uint64_t nid;
	const uint8_t *name;
	size_t n;
	unsigned type;
};

/* Entry k of count in the block of size bytes at offset at. */
static bool get_dirent(struct image *m, uint64_t at, uint64_t size, uint64_t k, uint64_t count, struct dirent *ret)
{
	uint64_t from = num(m, at + 12 * k + 8, 2), to = k + 1 < count ? num(m, at + 12 * k + 20, 2) : size;

	ret->nid = num(m, at + 12 * k, 8);
	ret->type = (unsigned)num(m, at + 12 * k + 10, 1);
	if (from < 12 * count || from >= to || to > size)
		return fail(m, "offset of a name");
	ret->name = m->p + at + from;
	ret->n = strnlen((const char *)ret->name, to - from);
	if (ret->n == 0 || ret->n > 255 || memchr(ret->name, '/', ret->n))
		return fail(m, "a name");
	return true;
}

static bool see(struct image *m, const struct dirent *d, const struct todo *dir, struct queue *q, unsigned *dots,
		uint64_t *subdirs)
{
	struct inode i;

	if (!get_inode(m, d->nid, &i))
		return false;
	if (d->type != type_of(i.mode) || d->type == 0)
		return fail(m, "type of an entry");
	if (d->name[0] == '.' && (d->n == 1 || (d->n == 2 && d->name[1] == '.'))) {
		*dots |= 1u << (d->n - 1);
		return d->nid == (d->n == 1 ? dir->nid : dir->parent) || fail(m, "dots");
	}
	m->sum.names++;
	if (S_ISDIR(i.mode)) {
		++*subdirs;
		if (m->seen[d->nid])
			return fail(m, "a directory with two names");
		push(q, d->nid, dir->nid);
	} else {
		m->links[d->nid]++;
		if (!m->seen[d->nid] && (!check_xattrs(m, &i) || !check_leaf(m, &i)))
			return false;
	}
	m->sum.inodes += !m->seen[d->nid];
	m->seen[d->nid] = true;
	return true;
}

static bool check_dir(struct image *m, const struct todo *dir, struct queue *q)
{
	struct dirent last = { 0 }, d;
	uint64_t at, subdirs = 0;
	unsigned dots = 0;
	struct inode i;

	if (!get_inode(m, dir->nid, &i) || !S_ISDIR(i.mode) || !check_xattrs(m, &i) || !get_data(m, &i, &at))
		return fail(m, "directory");
	for (uint64_t pos = 0; pos < i.size; pos += BLOCK) {
		uint64_t size = i.size - pos < BLOCK ? i.size - pos : BLOCK, head = num(m, at + pos + 8, 2);

		if (head % 12 || head == 0 || head > size)
			return fail(m, "count of entries");
		for (uint64_t k = 0; k < head / 12; k++, last = d) {
			size_t least;
			int order;

			if (!get_dirent(m, at + pos, size, k, head / 12, &d))
				return false;
			least = last.n < d.n ? last.n : d.n;
			order = last.name ? memcmp(last.name, d.name, least) : -1;
			if (order > 0 || (order == 0 && last.n >= d.n))
				return fail(m, "order of names");
			if (!see(m, &d, dir, q, &dots, &subdirs))
				return false;
		}
	}
	if (dots != 3 || i.nlink != subdirs + 2)
		return fail(m, "dots or links of a directory");
	return true;
}

static bool check_links(struct image *m)
{
	struct inode i;

	for (uint64_t nid = 0; nid < m->n / 32; nid++)
		if (m->links[nid] && (!get_inode(m, nid, &i) || i.nlink != m->links[nid]))
			return fail(m, "count of links");
	return m->sum.inodes == num(m, SUPER + 16, 8) || fail(m, "count of inodes");
}

static bool check_all(struct image *m, uint64_t tar_size)
{
	struct queue q = { 0 };
	uint64_t root;
	bool ok = check_super(m, tar_size);

	root = num(m, SUPER + 14, 2);
	if (ok && root < m->n / 32) {
		push(&q, root, root);
		m->sum.inodes = 1;
		m->seen[root] = true;
	}
	ok = ok && q.n;
	for (size_t k = 0; k < q.n && ok; k++) {
		struct todo t = q.v[k];

		ok = check_dir(m, &t, &q);
	}
	free(q.v);
	return ok && check_links(m);
}

const char *image_check(const void *image, size_t n, uint64_t tar_size, struct image_sum *ret)
{
	struct image m = { .p = image, .n = n };

	m.links = calloc(n / 32 + 2, sizeof(*m.links));
	m.seen = calloc(n / 32 + 2, sizeof(*m.seen));
	if (!m.links || !m.seen)
		abort();
	if (!check_all(&m, tar_size))
		fail(&m, "root");
	free(m.links);
	free(m.seen);
	if (ret)
		*ret = m.sum;
	return m.why;
}
