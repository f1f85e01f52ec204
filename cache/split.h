/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an unpacked layer's tree can't give back: the tar's own headers, padding and tail, so that the very
 * bytes (hence the diff ID) can be made again. Beside the tree NAME lie
 *
 *   NAME.split   zstd of records: 'R' len bytes | 'F' size path: the contents of that file | 'E'
 *   NAME.lost/   contents that a later entry of the same tar replaced, and "map": which 'F' they are
 */
#ifndef CACHE_SPLIT_H
#define CACHE_SPLIT_H

#include "base/task.h"
#include "cache/tar.h"

#define SPLIT_LOST_MAX 1000	/* replaced files and directories in one layer */

struct split_out;

/* Begin <name>.split in home. *ret is the caller's, split_free(); the file stays only after split_end(). */
NODISCARD int split_new(int home, const char *name, struct split_out **ret, struct err *e);
NODISCARD int split_raw(void *out, const void *p, size_t n, struct err *e);	/* bytes_put */
/* The next bytes of the tar are those of the file path in the tree. */
NODISCARD int split_file(struct split_out *out, const char *path, uint64_t size, struct err *e);
/* Instead of removing dir/name (path in the tree): keep what records speak of. Errors: ERR_LIMIT, ERR_SYS. */
NODISCARD int split_lose(void *out, int dir, const char *name, const char *path, struct err *e);
NODISCARD int split_end(struct split_out *out, struct err *e);
void split_free(struct split_out *out);

/* Give the tar again; tree: the layer's directory. *found is false if there is no NAME.split. */
NODISCARD int split_emit(struct job *j, int home, const char *name, int tree, bytes_put put, void *arg,
			 bool *found, struct err *e);

#endif
