/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a temporary directory for suites of cache/, with made-up layers. */
#ifndef TESTS_TMP_STORE_H
#define TESTS_TMP_STORE_H

#include "cache/store.h"

struct tmp_store {
	char path[64];		/* the directory; the store is `root` below it */
	char root[80];
	struct store *s;
};

/* cmocka fixtures: *state is a struct tmp_store with an open store. */
int tmp_store_setup(void **state);
int tmp_store_teardown(void **state);
/* Only the directory; ->s is NULL and may be opened by the test. */
int tmp_dir_setup(void **state);

struct digest tmp_digest(unsigned n);				/* some digest, another for each n */
struct digest tmp_layer(struct store *s, unsigned n);		/* a published layer: files and row */
void tmp_layer_files(struct store *s, const struct digest *d);	/* its files only */
struct digest tmp_image(struct store *s, unsigned n, const struct digest *layers, size_t nlayers, const char *name);
bool tmp_exists(const struct tmp_store *t, const char *path);	/* beneath the store's root */
bool tmp_layer_exists(const struct tmp_store *t, const struct digest *d);
size_t tmp_count(const struct tmp_store *t, const char *dir);	/* entries of a directory; 0 if there is none */
int64_t tmp_int(struct store *s, const char *sql);		/* the number that a query gives */

/*
 * Run fn(root) in a child process, which ends with its result; 256 + n if signal n killed it. The store is
 * closed meanwhile and opened again: SQLite's memory must not cross a fork().
 */
int tmp_fork(struct tmp_store *t, int (*fn)(const char *root));
/* The same with TARE_FAULT=point:n, or without if point is NULL. */
int tmp_fork_fault(struct tmp_store *t, const char *point, unsigned n, int (*fn)(const char *root));
/* Start such a child and go on. The store must be closed (tmp_close). */
pid_t tmp_start(struct tmp_store *t, int (*fn)(const char *root));
void tmp_close(struct tmp_store *t);
void tmp_open(struct tmp_store *t);

#endif
