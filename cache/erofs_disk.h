/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EROFS on disk, as far as an index uses it. All numbers are little-endian; an inode's number (nid) is its offset
 * in units of 32 bytes. Linux Documentation/filesystems/erofs.rst "On-disk details".
 */
#ifndef CACHE_EROFS_DISK_H
#define CACHE_EROFS_DISK_H

#include <stdint.h>

#define EROFS_MAGIC 0xe0f5e1e2u
#define EROFS_BLOCK_BITS 9		/* a tar's files begin at multiples of 512 bytes: so must blocks */
#define EROFS_BLOCK 512u
#define EROFS_SUPER_AT 1024u
#define EROFS_LABEL "tare index 1"	/* at most 16 bytes; another one for each change of what an index says */
#define EROFS_SLOT 32u			/* inodes begin at multiples of it */

#define EROFS_COMPAT_CHECKSUM 1u	/* the superblock's block has a CRC-32C */
#define EROFS_COMPAT_MTIME 2u		/* times are mtimes */
#define EROFS_INCOMPAT_DEVICES 8u	/* there is a device table */

struct erofs_disk_super {		/* at EROFS_SUPER_AT */
	uint32_t magic, checksum, compat;
	uint8_t block_bits, ext_slots;
	uint16_t root;			/* nid */
	uint64_t inodes;
	int64_t epoch;			/* mtime of all compact inodes: seconds, nanoseconds */
	uint32_t epoch_ns;
	uint32_t blocks;		/* of the image itself */
	uint32_t meta_block;		/* where nids count from */
	uint32_t xattr_block;		/* where ids of shared attributes count from */
	uint8_t uuid[16], label[16];
	uint32_t incompat;
	uint16_t compression;
	uint16_t devices;		/* besides the image */
	uint16_t device_slot;		/* place of the table in units of its entries' size */
	uint8_t dir_block_bits, xattr_prefixes;
	uint32_t xattr_prefix_start;
	uint64_t packed;
	uint8_t xattr_filter, reserved[23];
} __attribute__((packed));

struct erofs_disk_device {
	char tag[64];
	uint32_t blocks;
	uint32_t first;			/* its block 0 in the address space that all devices share */
	uint8_t reserved[56];
} __attribute__((packed));

/* Bits of format: 0 extended, 1-3 how the data lies. */
#define EROFS_EXTENDED 1u
#define EROFS_PLAIN (0u << 1)		/* data in consecutive blocks from u.block on */
#define EROFS_INLINE (2u << 1)		/* the last block's bytes follow the inode and its attributes */

struct erofs_disk_compact {
	uint16_t format, xattr_count, mode, nlink;
	uint32_t size, reserved;
	uint32_t u;			/* block, or device number */
	uint32_t ino;
	uint16_t uid, gid;
	uint32_t reserved2;
} __attribute__((packed));

struct erofs_disk_extended {
	uint16_t format, xattr_count, mode, reserved;
	uint64_t size;
	uint32_t u, ino;
	uint32_t uid, gid;
	int64_t mtime;
	uint32_t mtime_ns, nlink;
	uint8_t reserved2[16];
} __attribute__((packed));

/* Behind an inode whose xattr_count is not 0: this, ids of shared attributes, own attributes.
 * xattr_count: 1 + the units of 4 bytes behind the header. */
struct erofs_disk_xattrs {
	uint32_t filter;
	uint8_t shared, reserved[7];
} __attribute__((packed));

struct erofs_disk_xattr {		/* followed by name and value, filled up to 4 bytes */
	uint8_t name_n, prefix;
	uint16_t value_n;
} __attribute__((packed));

enum { EROFS_X_USER = 1, EROFS_X_TRUSTED = 4, EROFS_X_SECURITY = 6 };	/* prefix: "user." and so on */

/* A directory is a list of blocks: entries, then their names; sorted by bytes, "." and ".." among them. */
struct erofs_disk_dirent {
	uint64_t nid;
	uint16_t name;			/* offset in the block; the first one's tells how many entries there are */
	uint8_t type, reserved;
} __attribute__((packed));

_Static_assert(sizeof(struct erofs_disk_super) == 128, "superblock");
_Static_assert(sizeof(struct erofs_disk_device) == 128, "device slot");
_Static_assert(sizeof(struct erofs_disk_compact) == 32, "compact inode");
_Static_assert(sizeof(struct erofs_disk_extended) == 64, "extended inode");
_Static_assert(sizeof(struct erofs_disk_xattrs) == 12, "attribute header");
_Static_assert(sizeof(struct erofs_disk_dirent) == 12, "directory entry");

#endif
