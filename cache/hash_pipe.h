/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 beside the work: bytes are hashed by a thread of its own while the caller reads or writes more. */
#ifndef CACHE_HASH_PIPE_H
#define CACHE_HASH_PIPE_H

#include "base/err.h"
#include "image/digest.h"

struct hash_pipe;

/* The thread is started only once there is more than one buffer's worth. */
struct hash_pipe *hash_pipe_new(void);
/* bytes_put; arg is a struct hash_pipe *. Errors: ERR_SYS (no thread can be started). */
NODISCARD int hash_pipe_put(void *arg, const void *p, size_t n, struct err *e);
/* Also write what is put to fd (borrowed), in large pieces: while one is written, it is hashed. Before the first put. */
void hash_pipe_to(struct hash_pipe *h, int fd);
/* All is written to the fd, or an error says why not. */
NODISCARD int hash_pipe_flush(struct hash_pipe *h, struct err *e);
/* Everything that was put, hashed; nothing may be put afterwards. */
struct digest hash_pipe_end(struct hash_pipe *h);
uint64_t hash_pipe_size(const struct hash_pipe *h);	/* bytes put */
void hash_pipe_free(struct hash_pipe *h);
#define auto_pipe __attribute__((cleanup(hash_pipe_cleanup)))
static inline void hash_pipe_cleanup(struct hash_pipe **h) { hash_pipe_free(*h); }

#endif
