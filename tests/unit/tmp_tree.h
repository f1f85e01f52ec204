/* SPDX-License-Identifier: Apache-2.0 */
/* Small file trees from text, and back to text, for suites that work on trees. */
#ifndef TESTS_TMP_TREE_H
#define TESTS_TMP_TREE_H

#include "base/err.h"
#include "base/str.h"

struct layer;
struct tmp_store;

#define TREE_TIME 1700000000	/* mtime of everything that tree_make() makes */

/*
 * One entry a word, separated by blanks (modes octal, owners optional):
 *
 *   dir/[=MODE[:UID:GID]]   file[=MODE[:UID:GID]]@CONTENTS   link>TARGET   name~FIRST (hard link)
 *   name|  a pipe   name$  a socket   name%MAJOR:MINOR  a character device   -name  remove it (all below, too)
 *
 * Parents must come first. Contents and targets hold no blanks.
 */
void tree_make(int dir, const char *text);
/* The same form back, sorted, modes and owners always said; times as well if asked for ("^SECONDS"). */
char *tree_text(int dir, bool times);
void tree_check(int dir, const char *want, const char *file, int line);
#define check_tree(dir, want) tree_check((dir), (want), __FILE__, __LINE__)

int tree_tmp(struct tmp_store *t, const char *name);	/* a new directory beside the store, opened */

struct spawned {
	int status;		/* exit status */
	struct buf out;		/* standard output and error */
};
/* Run a program, in dir (-1: here) with in as its standard input. */
struct spawned tree_spawn(int dir, const char *const *argv, struct str in);

#endif
