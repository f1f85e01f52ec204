/* SPDX-License-Identifier: Apache-2.0 */
/* What suites of EROFS indexes share. Whatever goes wrong fails the running test. */
#ifndef TESTS_EROFS_KIT_H
#define TESTS_EROFS_KIT_H

#include "cache/erofs.h"
#include "tests/unit/erofs_image.h"

int kit_put(void *arg, const void *p, size_t n, struct err *e);	/* bytes_put: arg is an int *, a file */
int kit_memory(const char *name);		/* a file without a name */
uint64_t kit_size(int fd);
const void *kit_map(int fd, size_t n);		/* munmap() it */

void kit_need_mount(void);			/* skips the test where no index can be mounted */
int kit_index_file(void);			/* a file that an index can be mounted from, if from any */
void kit_add(struct erofs *w, const struct tar_entry *t, uint64_t data);
int kit_write(struct erofs *w, uint64_t tar_size);	/* the index */
int kit_mount(int index, int tar);
void kit_check(int index, int tar, const char *what, struct image_sum *sum);	/* image_check() */
void kit_fsck(int index, int tar, const char *what);	/* fsck.erofs' opinion, where it is of use */

#endif
