/* SPDX-License-Identifier: Apache-2.0 */
/* Splitting an instruction's text: at blanks, shell-like words, JSON arrays of strings, CSV. */
#ifndef PARSER_WORDS_H
#define PARSER_WORDS_H

#include "base/arena.h"
#include "base/str.h"

struct strs {			/* slices of a text; { 0 } is an empty list; v is owned: words_done() */
	struct str *v;
	size_t n, cap;
};

void words_add(struct strs *l, struct str s);
void words_done(struct strs *l);
#define auto_words __attribute__((cleanup(words_done)))

/* Length of the character at p (n > 0) and its code point; a byte that is not UTF-8 is 0x110000 +
 * byte. */
size_t utf8_next(const char *p, size_t n, uint32_t *ret);
void utf8_put(struct buf *b, uint32_t c);		/* takes what utf8_next() gives */

/* Length of the blank at p, 0 if there is none: Unicode white space, as the first word of a line
 * sees it. */
size_t space_len(const char *p, size_t n);
struct str space_trim(struct str s);			/* Unicode white space at both ends */
struct str space_trim_left(struct str s);

/* Runs of space, TAB, VT, FF, CR are separators; quotes mean nothing. */
void words_split(struct str s, struct strs *ret);
/* Shell-like: quotes and escapes keep blanks, and stay in the words. An escape at the end is
 * dropped. */
void words_shell(struct str s, char escape, struct strs *ret);

enum json_form {
	JSON_NONE,		/* not a JSON array: shell form */
	JSON_STRINGS,
	JSON_OTHER,		/* an array with something that is not a string: an error */
};
/* The whole of s as an array of strings, decoded into the arena (they may hold NUL). at[i]: where
 * each stands in s. JSON_OTHER: *bad is the first element that is no string. */
enum json_form words_json(struct str s, struct arena *a, struct strs *ret, struct strs *at,
			  struct str *bad);

/* One line of CSV (RFC 4180: "a,""b"",c"); fields are decoded into the arena. False: a stray
 * quote. */
NODISCARD bool words_csv(struct str s, struct arena *a, struct strs *ret);

/* Go's path.Clean: no "." and "//", ".." resolved by text, "." for nothing. Appends to ret. */
void clean_path(struct str s, struct buf *ret);

#endif
