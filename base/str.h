/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed text (struct str), owned growing bytes (struct buf), numbers. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/util.h"

struct str {			/* borrowed bytes, not NUL-terminated, never freed */
	const char *p;
	size_t n;
};

#define STR_LIT(s) ((struct str){ "" s, sizeof(s) - 1 })
#define STR_FMT "%.*s"		/* printf(STR_FMT, STR_ARG(x)) */
#define STR_ARG(s) (int)(s).n, (s).n ? (s).p : ""

static inline struct str str_of(const char *s)	/* s may be NULL: empty */
{
	return (struct str){ s, s ? strlen(s) : 0 };
}

static inline struct str str_sub(struct str s, size_t off, size_t n)
{
	if (off > s.n)
		off = s.n;
	return (struct str){ s.p + off, MIN(n, s.n - off) };
}

bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *b);
bool str_is_nocase(struct str a, const char *b);	/* ASCII case folded */
int str_cmp(struct str a, struct str b);		/* by bytes, shorter first */
bool str_starts(struct str s, const char *prefix);
bool str_ends(struct str s, const char *suffix);
struct str str_trim(struct str s);			/* ASCII blanks at both ends */
struct str str_cut(struct str *rest, char sep);	/* the part before sep; *rest is what follows,
						 * p == NULL once nothing follows */
ptrdiff_t str_find(struct str s, char c);		/* index or -1 */
/* An absolute path with "", "." and ".." resolved by text, as Go's path.Join does; the caller frees. */
char *str_path_clean(const char *path);
char *str_dup(struct str s);				/* owned, NUL-terminated */

/* The whole of s must be digits of the base (2..16) and fit; *ret is set only then. */
NODISCARD bool str_to_u64(struct str s, unsigned base, uint64_t *ret);
/* "64m", "1.5g", "1024", "10kb": bytes, powers of 1024. */
NODISCARD bool str_to_bytes(struct str s, uint64_t *ret);
/* The entry of words (NULL-terminated) that s may have been meant to be, or NULL. Two neighbours that changed places
 * are one mistake: "chwon" is nearer to "chown" than to "chmod". */
const char *str_nearest(struct str s, const char *const *words);

#define BUF_MAX ((size_t)64 << 20)

struct buf {			/* owned, growing bytes; { 0 } is a valid empty one */
	char *p;		/* p[n] is NUL whenever p is not NULL */
	size_t n, cap;
	size_t max;		/* bytes it may reach; 0 means BUF_MAX; beyond: abort */
};

void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, struct str s);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_reserve(struct buf *b, size_t more);
void buf_reset(struct buf *b);			/* empty, memory kept */
void buf_done(struct buf *b);
char *buf_take(struct buf *b);			/* never NULL; the caller frees; *b becomes { 0 } */

static inline struct str buf_view(const struct buf *b)
{
	return (struct str){ b->p ? b->p : "", b->n };
}

/* Append s as a JSON string with quotes, or as a Go %q string. */
void buf_json_str(struct buf *b, struct str s);
void buf_go_quote(struct buf *b, struct str s);
/* A JSON string of any bytes: what is no UTF-8 becomes \udc80 to \udcff, as Python's surrogateescape has it. */
void buf_json_bytes(struct buf *b, struct str s);
void buf_hex(struct buf *b, const void *p, size_t n);
void buf_base64(struct buf *b, const void *p, size_t n);	/* RFC 4648, with padding */
/* Blanks are passed over, padding may be missing; false if s holds anything else. */
NODISCARD bool buf_base64_decode(struct buf *b, struct str s);

#define auto_buf __attribute__((cleanup(buf_done)))

/* A list of owned strings; { 0 } is a valid empty one; v is NULL-terminated when n > 0. */
struct strv {
	char **v;
	size_t n;
};

void strv_add(struct strv *l, const char *s);
void strv_add_n(struct strv *l, struct str s);
void strv_take(struct strv *l, char *s);	/* s becomes the list's */
void strv_copy(struct strv *to, const struct strv *from);	/* appends */
void strv_done(struct strv *l);
bool strv_has(const struct strv *l, const char *s);
/* Environment lists "K=V": set replaces in place or appends; get returns the value or NULL. */
void strv_env_set(struct strv *l, const char *key, const char *value);
const char *strv_env_get(const struct strv *l, const char *key);

#define auto_strv __attribute__((cleanup(strv_done)))

#endif
