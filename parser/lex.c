/* SPDX-License-Identifier: Apache-2.0 */
/* Physical lines -> logical ones. Spec: shared/spec/dockerfile.md 1.1, 1.2. */
#include "parser/lex.h"

#include "parser/words.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The physical line with its end; false behind the last one. */
static bool line_raw(const struct lexer *l, size_t i, struct str *ret)
{
	size_t start, end;

	if (l->stop || i >= l->src->nlines)
		return false;
	start = l->src->lines[i];
	end = i + 1 < l->src->nlines ? l->src->lines[i + 1] : l->src->text.n;
	if (start == end)	/* an empty file */
		return false;
	*ret = str_sub(l->src->text, start, end - start);
	return true;
}

static struct str trim_end(struct str s)
{
	while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	return s;
}

static struct span raw_span(const struct lexer *l, struct str slice)
{
	return source_span(l->src, (size_t)(slice.p - l->src->text.p), slice.n);
}

/* The next physical line, its end and (on line 1) the BOM removed. */
static bool line_next(struct lexer *l, struct str *ret)
{
	struct str s;

	if (!line_raw(l, l->next, &s))
		return false;
	l->next++;
	if (l->next == 1 && str_starts(s, "\xef\xbb\xbf"))
		s = str_sub(s, 3, s.n);
	*ret = trim_end(s);
	return true;
}

/* ---- directives: "# key = value" lines at the very top ---- */

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* ^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$ */
static bool directive_split(struct str s, struct str *key, struct str *value)
{
	size_t n = 0;

	s = space_trim_left(s);
	if (s.n == 0 || s.p[0] != '#')
		return false;
	s = str_trim(str_sub(s, 1, s.n));
	while (n < s.n && is_alnum(s.p[n]))
		n++;
	*key = str_sub(s, 0, n);
	s = str_trim(str_sub(s, n, s.n));
	if (n == 0 || (key->p[0] >= '0' && key->p[0] <= '9') || s.n == 0 || s.p[0] != '=')
		return false;
	*value = str_trim(str_sub(s, 1, s.n));
	return value->n > 0;
}

static void directive_escape(struct lexer *l, struct str value)
{
	if (str_is(value, "\\") || str_is(value, "`"))
		l->file->escape = value.p[0];
	else
		diag_error(l->diag, raw_span(l, value), NULL,
			   "invalid escape token '" STR_FMT "' does not match ` or \\", STR_ARG(value));
}

/* Returns false if the line is none, and so ends them. */
static bool directive_take(struct lexer *l, struct str line, unsigned *seen)
{
	static const char *const names[] = { "syntax", "escape", "check" };
	struct str key, value;
	unsigned i = 0;

	if (!directive_split(line, &key, &value))
		return false;
	while (i < countof(names) && !str_is_nocase(key, names[i]))
		i++;
	if (i == countof(names))
		return false;
	if (*seen & 1u << i)
		diag_error(l->diag, raw_span(l, key), NULL,
			   "only one %s parser directive can be used", names[i]);
	else if (i == 0)
		l->file->syntax = value, l->file->syntax_at = raw_span(l, value);
	else if (i == 1)
		directive_escape(l, value);
	else
		l->file->check = value, l->file->check_at = raw_span(l, value);
	*seen |= 1u << i;
	return true;
}

/* What no Dockerfile holds: NUL bytes, another encoding, endless lines. */
static void check_text(struct lexer *l)
{
	struct str t = l->src->text;
	ptrdiff_t nul = str_find(t, '\0');

	if (str_starts(t, "\xff\xfe") || str_starts(t, "\xfe\xff")) {
		diag_error(l->diag, source_span(l->src, 0, 1), NULL,
			   "the text is UTF-16; save it as UTF-8");
		l->stop = true;
	} else if (nul >= 0) {
		diag_error(l->diag, source_span(l->src, (size_t)nul, 1), NULL,
			   "a NUL byte: this is not the text of a Dockerfile");
		l->stop = true;
	}
	for (size_t i = 0; line_raw(l, i, &t); i++)
		if (t.n > LEX_LINE_MAX) {
			diag_error(l->diag, raw_span(l, str_sub(t, 0, 1)), NULL,
				   "line %zu has %zu bytes; at most %zu are allowed", i + 1, t.n, LEX_LINE_MAX);
			l->stop = true;
		}
}

void lex_init(struct lexer *l, const struct source *src, struct diag *d, struct arena *a,
	      struct dockerfile *file)
{
	unsigned seen = 0;
	struct str s;

	*l = (struct lexer){ .src = src, .diag = d, .arena = a, .file = file };
	file->escape = '\\';
	check_text(l);
	while (line_next(l, &s))
		if (!directive_take(l, s, &seen)) {
			l->next--;
			break;
		}
}

void lex_done(struct lexer *l)
{
	buf_done(&l->joined);
	buf_done(&l->comment);
	free(l->segs);
}

/* ---- logical lines ---- */

/* Removes a continuation character and the blanks behind it; two of them in a row are none. */
static bool trim_continuation(struct str *s, char escape)
{
	size_t n = s->n;

	while (n && is_blank(s->p[n - 1]))
		n--;
	if (n == 0 || s->p[n - 1] != escape || (n > 1 && s->p[n - 2] == escape))
		return false;
	s->n = n - 1;
	return true;
}

static void comment_add(struct lexer *l, struct str line)	/* begins with '#' */
{
	struct str text = space_trim(str_sub(line, 1, line.n));

	if (text.n == 0) {
		buf_reset(&l->comment);
		return;
	}
	if (l->comment.n)
		buf_putc(&l->comment, '\n');
	buf_str(&l->comment, text);
}

static void seg_add(struct lexer *l, struct str part, size_t at)
{
	if (l->nsegs == l->segs_cap) {
		l->segs_cap = l->segs_cap ? 2 * l->segs_cap : 16;
		l->segs = xrealloc(l->segs, l->segs_cap * sizeof(*l->segs));
	}
	l->segs[l->nsegs++] = (struct lex_seg){ (uint32_t)at, (uint32_t)(part.p - l->src->text.p) };
}

static bool is_comment(struct str s)
{
	s = space_trim_left(s);
	return s.n && s.p[0] == '#';
}

/* Appends the lines that continue `first`. */
static void join_lines(struct lexer *l, struct str first, struct line *ret)
{
	bool more = true, blank = false;
	struct str s;

	buf_reset(&l->joined);
	buf_str(&l->joined, first);
	while (more && line_next(l, &s)) {
		if (is_comment(s))
			continue;
		if (space_trim_left(s).n == 0) {
			blank = true;
			continue;
		}
		more = trim_continuation(&s, l->file->escape);
		if (l->joined.n + s.n > LEX_INSTR_MAX) {
			diag_error(l->diag, raw_span(l, str_sub(first, 0, 1)), NULL,
				   "an instruction of more than %zu KiB", LEX_INSTR_MAX >> 10);
			l->stop = true;
			break;
		}
		seg_add(l, s, l->joined.n);
		buf_str(&l->joined, s);
	}
	ret->text = arena_str(l->arena, buf_view(&l->joined));
	ret->line_end = (unsigned)l->next;
	if (blank)
		diag_warn(l->diag, lex_span(l, ret, ret->text), NULL,
			  "Empty continuation line found in: " STR_FMT,
			  STR_ARG(ret->text));
}

bool lex_line(struct lexer *l, struct line *ret)
{
	struct str s;

	while (line_next(l, &s)) {
		s = space_trim_left(s);
		if (s.n && s.p[0] == '#') {
			comment_add(l, s);
			continue;
		}
		if (s.n == 0) {
			buf_reset(&l->comment);
			continue;
		}
		*ret = (struct line){ .line = (unsigned)l->next, .line_end = (unsigned)l->next };
		l->nsegs = 0;
		seg_add(l, s, 0);
		if (trim_continuation(&s, l->file->escape))
			join_lines(l, s, ret);
		else
			ret->text = s;
		ret->segs = l->segs;
		ret->nsegs = l->nsegs;
		if (l->comment.n)
			ret->comment = arena_str(l->arena, buf_view(&l->comment));
		buf_reset(&l->comment);
		return true;
	}
	return false;
}

static size_t map_off(const struct lexer *l, size_t at)
{
	size_t lo = 0, hi = l->nsegs;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->segs[mid].at <= at)
			lo = mid;
		else
			hi = mid;
	}
	return l->segs[lo].off + (at - l->segs[lo].at);
}

struct span lex_span(const struct lexer *l, const struct line *line, struct str slice)
{
	size_t at = (size_t)(slice.p - line->text.p), off = map_off(l, at);

	if (slice.n == 0)
		return source_span(l->src, off, 0);
	return source_span(l->src, off, map_off(l, at + slice.n - 1) + 1 - off);
}

/* ---- bodies of here-documents ---- */

static struct str trim_tabs(struct str s)
{
	while (s.n && s.p[0] == '\t')
		s.p++, s.n--;
	return s;
}

static void unterminated(struct lexer *l, const struct heredoc *h, unsigned like)
{
	if (like)
		diag_error(l->diag, h->at, NULL,
			   "unterminated heredoc: the line " STR_FMT " does not come; "
			   "line %u has blanks around it", STR_ARG(h->name), like);
	else
		diag_error(l->diag, h->at, NULL,
			   "unterminated heredoc: the line " STR_FMT " does not come",
			   STR_ARG(h->name));
	l->stop = true;
}

static struct str chomp_body(struct arena *a, struct str raw)
{
	char *p = arena_alloc(a, raw.n + 1);
	size_t n = 0;

	for (struct str rest = raw, line; rest.n; ) {
		ptrdiff_t nl = str_find(rest, '\n');
		size_t len = nl < 0 ? rest.n : (size_t)nl + 1;

		line = trim_tabs(str_sub(rest, 0, len));
		memcpy(p + n, line.p, line.n);
		n += line.n;
		rest = str_sub(rest, len, rest.n);
	}
	return (struct str){ p, n };
}

void lex_body(struct lexer *l, struct line *line, struct heredoc *ret)
{
	struct str s, end;
	size_t start = l->next < l->src->nlines ? l->src->lines[l->next] : l->src->text.n;
	unsigned like = 0;

	ret->raw = ret->body = str_sub(l->src->text, start, 0);
	if (l->stop)	/* an earlier one of this line has no end */
		return;
	for (; line_raw(l, l->next, &s); ret->raw.n += s.n) {
		l->next++;
		end = trim_end(s);
		if (ret->chomp)
			end = trim_tabs(end);
		if (str_eq(end, ret->name)) {
			ret->body = ret->chomp ? chomp_body(l->arena, ret->raw) : ret->raw;
			line->line_end = (unsigned)l->next;
			return;
		}
		if (!like && str_eq(str_trim(end), ret->name))
			like = (unsigned)l->next;
	}
	unterminated(l, ret, like);
}
