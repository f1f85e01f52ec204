/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads into a file of the store, read from its start while they run. What is there survives the process:
 *
 *   work/part-<hex>: the blob's bytes where they belong; behind them "tarepart", the blob's size, and for each piece of
 *   DOWNLOAD_PIECE bytes how many of it are there (32 bits, this machine's order)
 *
 * A large blob is fetched by several requests, each for one piece, if the server keeps to ranges; the pieces are taken
 * in order, so that the reader is never far behind. The file is flock'ed; whoever finds it so works on a nameless one.
 */
#ifndef REGISTRY_DOWNLOAD_H
#define REGISTRY_DOWNLOAD_H

#include "registry/fetch.h"

#define DOWNLOAD_PIECE ((uint64_t)16 << 20)
#define DOWNLOAD_SPLIT ((uint64_t)64 << 20)	/* blobs above this are fetched in pieces */
#define DOWNLOAD_THREADS 3

struct download;
struct lease;

/* Open the file and start; b is borrowed until download_free(). step: for progress events (0: none).
 * Errors: ERR_SYS. */
NODISCARD int download_new(struct job *j, struct remote *r, struct store *s, struct lease *l, const struct descriptor *b,
			   int step, struct download **ret, struct err *e);
/* bytes_get; arg: struct download *. In order; waits for what is not there yet. Errors: the download's. */
ssize_t download_get(void *download, void *p, size_t n, struct err *e);
/* Something of it was there before: if the bytes turn out to be wrong, that may be why. */
bool download_resumed(const struct download *d);
void download_stop(struct download *d);		/* no more is fetched; download_get() fails */
/* The whole blob was read and is right: keep it in the store, or let it go. Errors: ERR_SYS. */
NODISCARD int download_keep(struct download *d, struct err *e);
void download_remove(struct download *d);
void download_free(struct download *d);		/* what came stays for the next time, unless removed */

#endif
