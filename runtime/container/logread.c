/* SPDX-License-Identifier: Apache-2.0 */
/* Reading logs. A file that is being rotated away is read to its end, then the next one. */
#include "runtime/container/logread.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "parser/words.h"
#include "runtime/container/logfile.h"

#define CHUNK ((size_t)32 << 10)
#define LINE_MAX_BYTES ((size_t)1 << 20)	/* of one JSON line; ours have 16 KiB of text, escaped at most six times longer */
#define FILES_MAX 1000

struct logread {
	int dir, fd;			/* fd -1: the file is not there yet */
	char *id;
	struct logread_options opt;
	unsigned file;			/* n-th older one; 0: the present */
	bool rotated;			/* it is no longer the present one, and is read to its end once more */
	int64_t skip;			/* so many lines are before the tail */
	struct buf raw, text;
	size_t at;			/* in raw */
};

/* ---- one line ---- */

static bool take(struct str *s, const char *word)
{
	size_t n = strlen(word);

	if (s->n < n || memcmp(s->p, word, n) != 0)
		return false;
	*s = str_sub(*s, n, s->n);
	return true;
}

static bool take_hex4(struct str *s, uint32_t *ret)
{
	uint64_t v;

	if (s->n < 4 || !str_to_u64(str_sub(*s, 0, 4), 16, &v))
		return false;
	*s = str_sub(*s, 4, s->n);
	*ret = (uint32_t)v;
	return true;
}

static bool take_escape(struct str *s, struct buf *ret)
{
	static const char from[] = "nrtbf\"\\/", to[] = "\n\r\t\b\f\"\\/";
	const char *known;
	uint32_t c, low;

	if (!s->n)
		return false;
	known = s->p[0] ? strchr(from, s->p[0]) : NULL;
	if (known) {
		buf_putc(ret, to[known - from]);
		*s = str_sub(*s, 1, s->n);
		return true;
	}
	if (!take(s, "u") || !take_hex4(s, &c))
		return false;
	if (c >= 0xdc80 && c <= 0xdcff) {	/* buf_json_bytes(): a byte */
		buf_putc(ret, (char)(c & 0xff));
		return true;
	}
	if (c >= 0xd800 && c < 0xdc00 && take(s, "\\u") && take_hex4(s, &low))
		c = 0x10000 + ((c - 0xd800) << 10) + ((low - 0xdc00) & 0x3ff);
	utf8_put(ret, c);
	return true;
}

static bool take_string(struct str *s, struct buf *ret)
{
	if (!take(s, "\""))
		return false;
	while (s->n && s->p[0] != '"') {
		size_t n = 0;

		while (n < s->n && s->p[n] != '"' && s->p[n] != '\\')
			n++;
		buf_add(ret, s->p, n);
		*s = str_sub(*s, n, s->n);
		if (take(s, "\\") && !take_escape(s, ret))
			return false;
	}
	return take(s, "\"");
}

/* An object of strings, skipped; as it stands. */
static bool take_object(struct str *s, struct str *ret)
{
	auto_buf struct buf ignored = { 0 };
	struct str from = *s;

	if (!take(s, "{"))
		return false;
	while (!take(s, "}")) {
		if (!s->n || (s->p[0] == '"' && !take_string(s, &ignored)))
			return false;
		if (s->n && s->p[0] != '"' && s->p[0] != '}')
			*s = str_sub(*s, 1, s->n);
	}
	*ret = str_sub(from, 0, (size_t)(s->p - from.p));
	return true;
}

bool logline_parse(struct str json, struct logline *ret, struct buf *text)
{
	struct logline l = { .stream = 1 };
	auto_buf struct buf key = { 0 }, value = { 0 };
	struct str s = json;

	buf_reset(text);
	if (!take(&s, "{"))
		return false;
	while (!take(&s, "}")) {
		buf_reset(&key);
		buf_reset(&value);
		(void)take(&s, ",");
		if (!take_string(&s, &key) || !take(&s, ":"))
			return false;
		if (str_is(buf_view(&key), "attrs") ? !take_object(&s, &l.attrs) : !take_string(&s, &value))
			return false;
		if (str_is(buf_view(&key), "log"))
			buf_str(text, buf_view(&value));
		if (str_is(buf_view(&key), "stream"))
			l.stream = str_is(buf_view(&value), "stderr") ? 2 : 1;
		if (str_is(buf_view(&key), "time") && !clock_parse_rfc3339(buf_view(&value), &l.time_ns))
			return false;
	}
	l.text = buf_view(text);
	*ret = l;
	return true;
}

/* ---- files ---- */

static int file_open(const struct logread *l, unsigned n)
{
	auto_free char *name = logfile_name(l->id, n);

	return openat(l->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static bool is_there(const struct logread *l, unsigned n)
{
	auto_free char *name = logfile_name(l->id, n);

	return faccessat(l->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* While files are renamed, one number may be missing. */
static unsigned oldest(const struct logread *l)
{
	unsigned n = 0;

	while (n + 2 < FILES_MAX && (is_there(l, n + 1) || is_there(l, n + 2)))
		n++;
	return n;
}

/* Is the n-th file the one that we have? */
static bool is_ours(const struct logread *l, unsigned n)
{
	auto_fd int fd = file_open(l, n);
	struct stat a, b;

	return fd >= 0 && fstat(fd, &a) == 0 && fstat(l->fd, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* Names move while we look: the file before ours is right if ours is still where it was after that one was opened. */
static int open_next(const struct logread *l)
{
	for (int tries = 0; tries < 1000; tries++) {
		unsigned last = oldest(l), n = 1;
		auto_fd int fd = -1;

		while (n <= last && !is_ours(l, n))
			n++;
		if (n > last)
			return file_open(l, last);	/* it was too old to be kept */
		for (unsigned k = n; k-- > 0 && fd < 0;)
			fd = file_open(l, k);
		if (fd >= 0 && is_ours(l, n))
			return take_fd(&fd);
	}
	return -1;
}

/* The file that follows the one we have read to its end; false: there is none yet. *again: that end was not the last. */
static bool next_file(struct logread *l, bool *again)
{
	int fd;

	*again = false;
	if (l->fd < 0) {
		l->fd = file_open(l, l->file);
		return l->fd >= 0;
	}
	if (is_ours(l, 0) || !is_there(l, 0))
		return false;
	if (!l->rotated) {	/* something may have been written before it was renamed */
		l->rotated = *again = true;
		return false;
	}
	fd = open_next(l);
	if (fd < 0)
		return false;
	close(l->fd);
	l->fd = fd;
	l->rotated = false;
	return true;
}

/* 1: raw has grown; 0: nothing is there now; -1 */
static int fill(struct logread *l, struct err *e)
{
	bool again;
	ssize_t n;

	if (l->at) {
		l->raw.n -= l->at;
		memmove(l->raw.p, l->raw.p + l->at, l->raw.n);
		l->at = 0;
	}
	if (l->raw.n > LINE_MAX_BYTES)
		return err_set(e, ERR_CORRUPT, "a line of the log is too long");
	for (;;) {
		buf_reserve(&l->raw, CHUNK);
		n = l->fd < 0 ? 0 : read(l->fd, l->raw.p + l->raw.n, CHUNK);
		if (n < 0 && errno != EINTR)
			return err_sys(e, "read the log");
		if (n > 0) {
			l->raw.n += (size_t)n;
			return 1;
		}
		if (n == 0 && !next_file(l, &again) && !again)
			return 0;
	}
}

/* A whole line of raw; 1, 0 or -1 as fill(). */
static int raw_line(struct logread *l, struct str *ret, struct err *e)
{
	for (;;) {
		struct str left = str_sub(buf_view(&l->raw), l->at, l->raw.n);
		const char *nl = left.n ? memchr(left.p, '\n', left.n) : NULL;
		int r;

		if (nl) {
			*ret = str_sub(left, 0, (size_t)(nl - left.p));
			l->at += ret->n + 1;
			return 1;
		}
		r = fill(l, e);
		if (r <= 0)
			return r;
	}
}

/* How many lines the bounds leave: the tail is taken from these. */
static int count(struct logread *l, int64_t *ret, struct err *e)
{
	struct logline line;
	struct str raw;
	int r;

	*ret = 0;
	while ((r = raw_line(l, &raw, e)) > 0) {
		if (!l->opt.since_ns && !l->opt.until_ns) {
			++*ret;
			continue;
		}
		if (logline_parse(raw, &line, &l->text) && line.time_ns >= l->opt.since_ns &&
		    (!l->opt.until_ns || line.time_ns <= l->opt.until_ns))
			++*ret;
	}
	return r;
}

static void start(struct logread *l)
{
	if (l->fd >= 0)
		close(take_fd(&l->fd));
	buf_reset(&l->raw);
	l->at = 0;
	l->rotated = false;
	l->file = oldest(l);
	l->fd = file_open(l, l->file);
	if (l->fd < 0)
		l->file = 0;
}

int logread_open(int dir, const char *id, const struct logread_options *o, struct logread **ret, struct err *e)
{
	struct logread *l = xcalloc(1, sizeof(*l));
	int64_t n;

	*l = (struct logread){ .dir = dir, .fd = -1, .id = xstrdup(id), .opt = *o };
	start(l);
	if (o->tail >= 0) {
		if (count(l, &n, e) < 0) {
			logread_close(l);
			return -1;
		}
		l->skip = MAX(n - o->tail, (int64_t)0);
		start(l);
	}
	*ret = l;
	return 0;
}

int logread_next(struct logread *l, struct logline *ret, bool *done, struct err *e)
{
	struct str raw;
	int r;

	*done = false;
	while ((r = raw_line(l, &raw, e)) > 0) {
		if (!logline_parse(raw, ret, &l->text) || ret->time_ns < l->opt.since_ns)
			continue;
		if (l->opt.until_ns && ret->time_ns > l->opt.until_ns) {
			*done = true;
			return 0;
		}
		if (l->skip > 0) {
			l->skip--;
			continue;
		}
		return 1;
	}
	return r;
}

void logread_close(struct logread *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	buf_done(&l->raw);
	buf_done(&l->text);
	free(l->id);
	free(l);
}
