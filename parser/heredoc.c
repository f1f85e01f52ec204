/* SPDX-License-Identifier: Apache-2.0 */
/* The words of an instruction that begin a here-document. Spec: shared/spec/dockerfile.md 1.3. */
#include "parser/lex.h"
#include "parser/words.h"

/* "12<<-" at the start of s: its length with the blanks behind it, 0 if there is none. */
static size_t operator_len(struct str s, struct heredoc *ret)
{
	size_t i = 0, len;
	uint64_t fd = 0;

	while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
		i++;
	if (i && (!str_to_u64(str_sub(s, 0, i), 10, &fd) || fd > 1024))
		return 0;
	if (!str_starts(str_sub(s, i, s.n), "<<"))
		return 0;
	i += 2;
	ret->fd = (int)fd;
	ret->chomp = i < s.n && s.p[i] == '-';
	i += ret->chomp;
	while ((len = space_len(s.p + i, s.n - i)) > 0)
		i += len;
	return i;
}

/*
 * The length of the shell word at the start of s. Quotes are removed into name if it is not NULL;
 * *quoted tells whether there were any. Returns -1 for a quote without end.
 */
static ptrdiff_t shell_word(struct str s, struct buf *name, bool *quoted)
{
	char quote = 0;
	size_t i = 0;

	for (; i < s.n; i++) {
		char c = s.p[i];

		if (!quote && space_len(s.p + i, s.n - i))
			break;
		if (quote ? c == quote : c == '\'' || c == '"') {
			quote = quote ? 0 : c;
			*quoted = true;
			continue;
		}
		if (c == '\\' && quote != '\'') {
			if (i + 1 == s.n)
				continue;
			if (!quote || strchr("\"$\\", s.p[i + 1]))
				c = s.p[++i];
		}
		if (name)
			buf_putc(name, c);
	}
	return quote ? -1 : (ptrdiff_t)i;
}

/* The document at the start of s: its length, 0 if it is none, -1 for a quote without end. */
static ptrdiff_t heredoc_at(struct str s, struct arena *a, struct heredoc *ret)
{
	auto_buf struct buf name = { 0 };
	size_t op = operator_len(s, ret);
	bool quoted = false;
	struct str word;
	ptrdiff_t n;

	if (op == 0)
		return 0;
	word = str_sub(s, op, s.n);
	n = shell_word(word, &name, &quoted);
	if (n < 0) {
		ret->word = str_sub(s, 0, op + 1);
		return -1;
	}
	word.n = (size_t)n;
	if (name.n == 0 || str_find(word, '<') >= 0)
		return 0;
	ret->name = arena_str(a, buf_view(&name));
	ret->expand = !quoted;
	ret->word = str_sub(s, 0, op + word.n);
	return (ptrdiff_t)ret->word.n;
}

/* Keeps the count of "((" without "))" in word: "<<" inside of it is a shift. */
static int parens(struct str word, int depth)
{
	for (size_t i = 0; i + 1 < word.n; i++)
		if (word.p[i] == word.p[i + 1] && (word.p[i] == '(' || word.p[i] == ')')) {
			depth += word.p[i] == '(' ? 1 : -1;
			i++;
		}
	return MAX(depth, 0);
}

int lex_heredoc(struct str *rest, struct arena *a, struct heredoc *ret)
{
	int depth = 0;
	bool quoted;

	for (;;) {
		ptrdiff_t n;

		*rest = space_trim_left(*rest);
		if (rest->n == 0)
			return 0;
		*ret = (struct heredoc){ 0 };
		n = depth ? 0 : heredoc_at(*rest, a, ret);
		if (n != 0) {
			*rest = str_sub(*rest, n > 0 ? (size_t)n : rest->n, rest->n);
			return n > 0 ? 1 : -1;
		}
		n = shell_word(*rest, NULL, &quoted);
		if (n < 0)	/* a quote that the shell will complain of: it holds all the rest */
			return 0;
		depth = parens(str_sub(*rest, 0, (size_t)n), depth);
		*rest = str_sub(*rest, (size_t)n, rest->n);
	}
}
