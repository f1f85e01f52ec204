/* SPDX-License-Identifier: Apache-2.0 */
/* Putting the image out: superblock, inodes, blocks of directories and links, shared attributes. */
#include <endian.h>

#include "cache/erofs_disk.h"
#include "cache/erofs_tree.h"

#define CHUNK ((size_t)64 << 10)
#define DIRENTS_MAX (EROFS_BLOCK / (sizeof(struct erofs_disk_dirent) + 1))

/* Types in directory entries. Linux include/linux/fs_types.h, FT_REG_FILE and so on. */
enum { TYPE_FILE = 1, TYPE_DIR, TYPE_CHAR, TYPE_BLOCK, TYPE_FIFO, TYPE_LINK = 7 };

struct out {
	bytes_put put;
	void *arg;
	struct err *e;
	bool failed;		/* e says why; nothing is put any more */
	uint64_t at;
	size_t n;
	uint32_t inode;		/* number of the last one */
	char buf[CHUNK];
};

static void flush(struct out *o)
{
	if (o->n && !o->failed && o->put(o->arg, o->buf, o->n, o->e) < 0)
		o->failed = true;
	o->n = 0;
}

static void emit(struct out *o, const void *p, size_t n)
{
	o->at += n;
	while (n) {
		size_t part = MIN(n, CHUNK - o->n);

		memcpy(o->buf + o->n, p, part);
		o->n += part;
		p = (const char *)p + part;
		n -= part;
		if (o->n == CHUNK)
			flush(o);
	}
}

static void emit_zeros(struct out *o, uint64_t to)
{
	static const char zeros[EROFS_BLOCK];

	while (o->at < to)
		emit(o, zeros, (size_t)MIN(to - o->at, (uint64_t)EROFS_BLOCK));
}

/* CRC-32C (Castagnoli) without the final complement, as the kernel's crc32c() counts it. */
static uint32_t crc32c(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t crc = UINT32_MAX;

	while (n--) {
		crc ^= *b++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

static void emit_super(struct out *o, const struct erofs_plan *p, uint64_t tar_size, const struct digest *diff_id)
{
	struct { struct erofs_disk_super s; struct erofs_disk_device d; } b = { 0 };
	char block[EROFS_BLOCK] = { 0 }, hex[DIGEST_TEXT_MAX];

	b.s.magic = htole32(EROFS_MAGIC);
	b.s.compat = htole32(EROFS_COMPAT_CHECKSUM | EROFS_COMPAT_MTIME);
	b.s.block_bits = EROFS_BLOCK_BITS;
	b.s.root = htole16((uint16_t)p->first->nid);
	b.s.inodes = htole64(p->nodes);
	b.s.epoch = (int64_t)htole64((uint64_t)p->epoch);
	b.s.epoch_ns = htole32(p->epoch_ns);
	b.s.blocks = htole32((uint32_t)(p->end / EROFS_BLOCK));
	b.s.xattr_block = htole32((uint32_t)(p->xattrs_at / EROFS_BLOCK));
	b.s.incompat = htole32(EROFS_INCOMPAT_DEVICES);
	b.s.devices = htole16(1);
	b.s.device_slot = htole16((EROFS_SUPER_AT + sizeof(b.s)) / sizeof(b.d));
	b.d.blocks = htole32((uint32_t)(erofs_align(tar_size, EROFS_BLOCK) / EROFS_BLOCK));
	b.d.first = b.s.blocks;
	memcpy(b.s.label, EROFS_LABEL, sizeof(EROFS_LABEL) - 1);
	if (diff_id) {
		memcpy(b.s.uuid, diff_id->b, sizeof(b.s.uuid));
		memcpy(b.d.tag, digest_hex(diff_id, hex), sizeof(b.d.tag));
	}
	memcpy(block, &b, sizeof(b));
	b.s.checksum = htole32(crc32c(block, sizeof(block)));
	memcpy(block, &b.s, sizeof(b.s));
	emit_zeros(o, EROFS_SUPER_AT);
	emit(o, block, sizeof(block));
}

static void emit_xattr(struct out *o, const struct erofs_xattr *x)
{
	struct erofs_disk_xattr h = { x->name_n, x->prefix, htole16(x->value_n) };

	emit(o, &h, sizeof(h));
	emit(o, x->name, x->name_n);
	emit(o, x->value, x->value_n);
	emit_zeros(o, erofs_align(o->at, 4));
}

static void emit_xattrs(struct out *o, const struct erofs_node *n)
{
	struct erofs_disk_xattrs h = { 0 };

	if (n->nxattrs == 0)
		return;
	for (size_t i = 0; i < n->nxattrs; i++)
		h.shared = (uint8_t)(h.shared + n->xattrs[i]->shared);
	emit(o, &h, sizeof(h));
	for (size_t i = 0; i < n->nxattrs; i++) {
		uint32_t id = htole32(n->xattrs[i]->id);

		if (n->xattrs[i]->shared)
			emit(o, &id, sizeof(id));
	}
	for (size_t i = 0; i < n->nxattrs; i++)
		if (!n->xattrs[i]->shared)
			emit_xattr(o, n->xattrs[i]);
}

static uint8_t type_of(const struct erofs_node *n)
{
	switch (n->mode & S_IFMT) {
	case S_IFDIR: return TYPE_DIR;
	case S_IFCHR: return TYPE_CHAR;
	case S_IFBLK: return TYPE_BLOCK;
	case S_IFIFO: return TYPE_FIFO;
	case S_IFLNK: return TYPE_LINK;
	default: return TYPE_FILE;
	}
}

static void emit_dir_block(struct out *o, const struct erofs_entry *v, size_t n)
{
	struct erofs_disk_dirent d[DIRENTS_MAX] = { 0 };
	size_t name = n * sizeof(d[0]);

	for (size_t i = 0; i < n; i++) {
		d[i].nid = htole64(v[i].node->nid);
		d[i].name = htole16((uint16_t)name);
		d[i].type = type_of(v[i].node);
		name += v[i].name.n;
	}
	emit(o, d, n * sizeof(d[0]));
	for (size_t i = 0; i < n; i++)
		emit(o, v[i].name.p, v[i].name.n);
}

/* All blocks but the last are filled up; see dir_size() in erofs_plan.c. */
static void emit_dir(struct out *o, const struct erofs_dir *d)
{
	struct erofs_entries l = { d, d->first, 0 };
	struct erofs_entry v[DIRENTS_MAX], entry;
	uint64_t start = o->at;
	size_t n = 0, used = 0;

	while (erofs_entry_next(&l, &entry)) {
		size_t need = sizeof(struct erofs_disk_dirent) + entry.name.n;

		if (used + need > EROFS_BLOCK) {
			emit_dir_block(o, v, n);
			start += EROFS_BLOCK;
			emit_zeros(o, start);
			n = used = 0;
		}
		v[n++] = entry;
		used += need;
	}
	emit_dir_block(o, v, n);
}

static void emit_data(struct out *o, const struct erofs_node *n)
{
	if (S_ISDIR(n->mode))
		emit_dir(o, n->dir);
	else
		emit(o, n->target, n->size);
}

static void emit_compact(struct out *o, const struct erofs_node *n, uint16_t format, uint16_t xattrs, uint32_t u)
{
	struct erofs_disk_compact d = {
		.format = htole16(format), .xattr_count = htole16(xattrs), .mode = htole16(n->mode),
		.nlink = htole16((uint16_t)n->nlink), .size = htole32((uint32_t)n->size), .u = htole32(u),
		.ino = htole32(o->inode), .uid = htole16((uint16_t)n->uid), .gid = htole16((uint16_t)n->gid),
	};

	emit(o, &d, sizeof(d));
}

static void emit_extended(struct out *o, const struct erofs_node *n, uint16_t format, uint16_t xattrs, uint32_t u)
{
	struct erofs_disk_extended d = {
		.format = htole16(format | EROFS_EXTENDED), .xattr_count = htole16(xattrs), .mode = htole16(n->mode),
		.size = htole64(n->size), .u = htole32(u), .ino = htole32(o->inode), .uid = htole32(n->uid),
		.gid = htole32(n->gid), .mtime = (int64_t)htole64((uint64_t)n->mtime),
		.mtime_ns = htole32(n->mtime_ns), .nlink = htole32(n->nlink),
	};

	emit(o, &d, sizeof(d));
}

static void emit_node(struct out *o, const struct erofs_node *n)
{
	uint32_t u = S_ISCHR(n->mode) || S_ISBLK(n->mode) ? n->rdev : n->block;
	uint16_t format = n->inline_data ? EROFS_INLINE : EROFS_PLAIN;
	uint16_t xattrs = 0;

	if (n->nxattrs)
		xattrs = (uint16_t)(1 + (n->xattrs_size - sizeof(struct erofs_disk_xattrs)) / 4);
	o->inode++;
	emit_zeros(o, n->nid * EROFS_SLOT);
	if (n->compact)
		emit_compact(o, n, format, xattrs, u);
	else
		emit_extended(o, n, format, xattrs, u);
	emit_xattrs(o, n);
	if (n->inline_data)
		emit_data(o, n);
}

static void emit_all(struct out *o, const struct erofs_plan *p)
{
	for (const struct erofs_node *n = p->first; n; n = n->next)
		emit_node(o, n);
	for (const struct erofs_node *n = p->first; n; n = n->next) {
		if (n->inline_data || !(S_ISDIR(n->mode) || S_ISLNK(n->mode)))
			continue;
		emit_zeros(o, (uint64_t)n->block * EROFS_BLOCK);
		emit_data(o, n);
	}
	emit_zeros(o, p->xattrs_at);
	for (const struct erofs_xattr *x = p->xattrs; x; x = x->next_live)
		if (x->shared)
			emit_xattr(o, x);
	emit_zeros(o, p->end);
	flush(o);
}

int erofs_write(struct erofs *w, uint64_t tar_size, const struct digest *diff_id, bytes_put put, void *arg,
		struct err *e)
{
	auto_free struct out *o = xcalloc(1, sizeof(*o));
	struct erofs_plan p;

	if (w->written)
		return err_set(e, ERR_USAGE, "this index was written already");
	w->written = true;
	if (tar_size > EROFS_TAR_MAX)
		return err_set(e, ERR_LIMIT, "a layer of more than %llu bytes", (unsigned long long)EROFS_TAR_MAX);
	if (erofs_plan(w, tar_size, &p, e) < 0)
		return err_wrap(e, "index a layer");
	o->put = put;
	o->arg = arg;
	o->e = e;
	emit_super(o, &p, tar_size, diff_id);
	emit_all(o, &p);
	return o->failed ? -1 : 0;
}
