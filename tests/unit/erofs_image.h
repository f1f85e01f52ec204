/* SPDX-License-Identifier: Apache-2.0 */
/* A reader of EROFS indexes that believes nothing: what the kernel would complain about, without the kernel. */
#ifndef TESTS_EROFS_IMAGE_H
#define TESTS_EROFS_IMAGE_H

#include <stddef.h>
#include <stdint.h>

struct image_sum {
	uint64_t names, inodes;	/* names without "." and ".." */
	uint64_t compact, inlined, shared;	/* inodes, inodes, attributes used from the shared area */
	uint64_t files, bytes;	/* regular files and what they add up to */
};

/* NULL: every inode, directory and attribute is well-formed, every block is inside the image or its device of
 * tar_size bytes. Else what is wrong. */
const char *image_check(const void *image, size_t n, uint64_t tar_size, struct image_sum *ret);

#endif
