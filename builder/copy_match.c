/* SPDX-License-Identifier: Apache-2.0 */
/* Resolving the sources of COPY and ADD. */
#include "builder/copy_match.h"

#include <dirent.h>
#include <errno.h>

#include "base/fs.h"
#include "cache/names.h"
#include "parser/ignore.h"

/* ---- words ---- */

bool copy_is_wild(struct str word)
{
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] == '\\')
			i++;
		else if (memchr("*?[", word.p[i], 3))
			return true;
	}
	return false;
}

/* One UTF-8 character, or one byte that is none: its length; *ret is its value. */
static size_t rune(struct str s, uint32_t *ret)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 1;

	*ret = p[0];
	if (len == 1 || len > s.n)
		return 1;
	*ret = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 1;
		*ret = *ret << 6 | (p[i] & 0x3f);
	}
	return len;
}

/* One character of a class, perhaps escaped: false if the pattern is malformed. */
static bool class_char(struct str *p, uint32_t *ret)
{
	size_t n;

	if (p->n == 0 || p->p[0] == '-' || p->p[0] == ']')
		return false;
	if (p->p[0] == '\\') {
		*p = str_sub(*p, 1, p->n);
		if (p->n == 0)
			return false;
	}
	n = rune(*p, ret);
	*p = str_sub(*p, n, p->n);
	return p->n > 0;
}

/* A class behind its '[': moves *p behind its ']'. 1 c is in it, 0 not, -1 malformed. */
static int class_match(struct str *p, uint32_t c)
{
	bool negated = p->n && p->p[0] == '^', in = false;

	if (negated)
		*p = str_sub(*p, 1, p->n);
	for (size_t n = 0; ; n++) {
		uint32_t lo, hi;

		if (p->n && p->p[0] == ']' && n > 0)
			break;
		if (!class_char(p, &lo))
			return -1;
		hi = lo;
		if (p->p[0] == '-') {
			*p = str_sub(*p, 1, p->n);
			if (!class_char(p, &hi))
				return -1;
		}
		in = in || (lo <= c && c <= hi);
	}
	*p = str_sub(*p, 1, p->n);
	return in != negated;
}

/* The first element of the pattern (not '*') against the first character: 1 and both moved, 0, or -1. */
static int element(struct str *p, struct str *s)
{
	struct str rest = str_sub(*p, 1, p->n);
	uint32_t c;
	size_t n;
	int r = 1;

	if (s->n == 0)
		return 0;
	n = rune(*s, &c);
	if (p->p[0] == '[') {
		r = class_match(&rest, c);
	} else if (p->p[0] != '?') {
		if (p->p[0] == '\\') {
			if (rest.n == 0)
				return -1;
			*p = rest;
			rest = str_sub(*p, 1, p->n);
		}
		r = p->p[0] == s->p[0];
		n = 1;
	}
	if (r <= 0)
		return r;
	*p = rest;
	*s = str_sub(*s, n, s->n);
	return 1;
}

bool copy_glob(struct str pattern, struct str name)
{
	struct str p = pattern, s = name, star = { 0 }, from = { 0 };

	for (;;) {
		struct str before = p;
		int r;

		if (p.n && p.p[0] == '*') {
			star = p = str_sub(p, 1, p.n);
			from = s;
			continue;
		}
		if (p.n == 0 && s.n == 0)
			return true;
		r = p.n ? element(&p, &s) : 0;
		if (r < 0)
			return false;
		if (r > 0)
			continue;
		p = before;
		if (!star.p || from.n == 0)	/* no star to stretch, or stretched to the end */
			return false;
		from = str_sub(from, 1, from.n);
		p = star;
		s = from;
	}
}

void copy_clean(struct str s, struct buf *ret)
{
	size_t start = ret->n;

	for (struct str rest = s; rest.p; ) {
		struct str part = str_cut(&rest, '/');

		if (part.n == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			while (ret->n > start && ret->p[--ret->n] != '/')
				;
			continue;
		}
		if (ret->n > start)
			buf_putc(ret, '/');
		buf_str(ret, part);
	}
	buf_reserve(ret, 1);
	ret->p[ret->n] = '\0';
}

/* ---- items ---- */

void copy_items_done(struct copy_items *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].path);
		free(l->v[i].match);
	}
	free(l->v);
	ignore_free(l->include);
	free(l->states);
	*l = (struct copy_items){ 0 };
}

static int not_found(const char *path, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "\"/%s\": not found", path);
}

/* Hidden by .dockerignore? A directory is not if something in it is included again. */
static bool is_hidden(const struct copy_spec *c, const char *path, bool is_dir)
{
	if (!c->from_context || !*path || !ignore_match(c->ignore, path))
		return false;
	return !is_dir || !ignore_may_reinclude(c->ignore, path);
}

/* Follow links from word and append what is there. */
static int add_item(struct copy_items *l, const char *word, struct err *e)
{
	const struct copy_spec *c = l->spec;
	auto_fd int fd = fs_open_in(c->src_root, word, O_PATH, 0);
	auto_buf struct buf path = { 0 };
	const char *base = strrchr(word, '/');
	struct stat st;
	bool is_dir;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return not_found(word, e);
	if (fd < 0 || fstat(fd, &st) < 0 || path_below(c->src_root, fd, &path) < 0)
		return err_sys(e, "open /%s", word);
	is_dir = S_ISDIR(st.st_mode);
	if (is_hidden(c, word, is_dir) || is_hidden(c, path.p, is_dir)) {
		not_found(word, e);
		return err_hint(e, "the path is there, but a line of .dockerignore leaves it out");
	}
	base = base ? base + 1 : word;
	if ((!is_dir || l->wild) && !c->parents && c->exclude && *base && ignore_match(c->exclude, base))
		return 0;
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = (struct copy_item){ buf_take(&path), xstrdup(word), st };
	return 0;
}

struct expand {
	struct copy_items *l;
	struct buf path;	/* resolved so far */
	struct err *e;
};

/* One component of the pattern after the other; links on the way are not followed. */
static int expand_in(struct expand *x, int dir, struct str rest)
{
	auto_names struct names names = { 0 };
	struct str part = str_cut(&rest, '/');
	size_t len = x->path.n;
	int r = 0;

	if (names_read(dir, &names) < 0)
		return err_sys(x->e, "list /%s", x->path.p);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		const struct name *n = &names.v[i];
		auto_fd int sub = -1;

		if (!copy_glob(part, str_of(n->s)))
			continue;
		buf_printf(&x->path, "%s%s", len ? "/" : "", n->s);
		if (!rest.p) {
			bool hidden = is_hidden(x->l->spec, x->path.p, n->type == DT_DIR);

			r = hidden ? 0 : add_item(x->l, x->path.p, x->e);
		} else if (n->type == DT_DIR) {
			sub = openat(dir, n->s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			r = sub < 0 ? err_sys(x->e, "open /%s", x->path.p) : expand_in(x, sub, rest);
		}
		x->path.p[x->path.n = len] = '\0';
	}
	return r;
}

/* word: cleaned, with wildcards. The part before the first of them is followed through links. */
static int expand_word(struct copy_items *l, const char *word, struct err *e)
{
	struct expand x = { .l = l, .e = e };
	struct str rest = str_of(word), after = rest, part;
	auto_buf struct buf fixed = { 0 };
	auto_fd int dir = -1;
	int r;

	while (part = str_cut(&after, '/'), !copy_is_wild(part))
		rest = after;
	buf_add(&fixed, word, (size_t)(rest.p - word) - (rest.p > word));
	l->wild = true;
	dir = fs_open_in(l->spec->src_root, fixed.p, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(e, "open /%s", fixed.p);
	if (path_below(l->spec->src_root, dir, &x.path) < 0)
		return err_sys(e, "open /%s", fixed.p);
	r = expand_in(&x, dir, rest);
	buf_done(&x.path);
	return r;
}

static int match_word(struct copy_items *l, const char *word, struct err *e)
{
	return copy_is_wild(str_of(word)) ? expand_word(l, word, e) : add_item(l, word, e);
}

/* ---- --parents ---- */

/* Where the pivot "/./" cuts the word: *base before it (cleaned, "" the root), *pattern behind it. */
static void cut_pivot(const char *word, struct buf *base, struct buf *pattern)
{
	const char *pivot;

	while (word[0] == '.' && word[1] == '/')
		word += 2;
	pivot = strstr(word, "/./");
	if (pivot && pivot[3])
		copy_clean((struct str){ word, (size_t)(pivot - word) }, base);
	copy_clean(str_of(pivot && pivot[3] ? pivot + 3 : word), pattern);
}

/* Without wildcards the path must be there, and be where it says (a walk follows no links). */
static int check_literal(const struct copy_items *l, const struct copy_item *item, const char *pattern,
			 struct err *e)
{
	auto_free char *path = xasprintf("%s%s%s", item->path, *item->path ? "/" : "", pattern);
	auto_buf struct buf real = { 0 };
	const char *name;
	auto_fd int dir = fs_open_parent_in(l->spec->src_root, path, &name);
	struct stat st;

	if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    is_hidden(l->spec, path, S_ISDIR(st.st_mode)))
		return not_found(path, e);
	if (path_below(l->spec->src_root, dir, &real) < 0)
		return err_sys(e, "open /%s", path);
	if (real.n && (strncmp(path, real.p, real.n) != 0 || path[real.n] != '/'))
		return not_found(path, e);
	return 0;
}

static int match_parents(struct copy_items *l, const char *word, struct err *e)
{
	auto_buf struct buf base = { 0 }, pattern = { 0 };
	auto_strv struct strv one = { 0 };
	size_t kept = 0;

	cut_pivot(word, &base, &pattern);
	buf_reserve(&base, 1);
	base.p[base.n] = '\0';
	if (match_word(l, base.p, e) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++) {
		if (!S_ISDIR(l->v[i].st.st_mode)) {
			free(l->v[i].path);
			free(l->v[i].match);
			continue;
		}
		l->v[kept++] = l->v[i];
	}
	l->n = kept;
	if (kept == 0 && !l->wild)
		return not_found(base.p, e);
	if (pattern.n == 0)		/* the whole tree */
		return 0;
	for (size_t i = 0; i < l->n && !copy_is_wild(buf_view(&pattern)); i++)
		if (check_literal(l, &l->v[i], pattern.p, e) < 0)
			return -1;
	strv_add(&one, pattern.p);
	return ignore_new(&one, &l->include, e);
}

int copy_match(const struct copy_spec *c, size_t i, struct copy_items *ret, struct err *e)
{
	struct copy_items l = { .spec = c };
	auto_buf struct buf word = { 0 };
	int r;

	if (c->parents) {
		r = match_parents(&l, c->src.v[i], e);
	} else {
		copy_clean(str_of(c->src.v[i]), &word);
		r = match_word(&l, word.p, e);
	}
	if (r < 0) {
		copy_items_done(&l);
		return -1;
	}
	*ret = l;
	return 0;
}

/* ---- what is copied of an item ---- */

static enum tree_pick pick_without(const struct ignore *ig, const char *path, bool is_dir)
{
	if (!ig || !ignore_match(ig, path))
		return PICK_YES;
	return is_dir && ignore_may_reinclude(ig, path) ? PICK_BELOW : PICK_NO;
}

static enum tree_pick pick_only(const struct ignore *ig, const char *path, bool is_dir)
{
	if (!ig || ignore_match(ig, path))
		return PICK_YES;
	return is_dir && ignore_may_match_below(ig, path) ? PICK_BELOW : PICK_NO;
}

/* The state of the directory at this depth; the root's (0) is never asked for. */
static uint64_t *state_at(struct copy_items *l, size_t depth)
{
	size_t words = ignore_state_words(l->spec->ignore);

	if (depth >= l->depths) {
		l->depths = MAX(depth + 1, l->depths * 2);
		l->states = xrealloc(l->states, l->depths * words * sizeof(*l->states));
	}
	return l->states + depth * words;
}

/* .dockerignore's word on path, whose components are depth many; the states above it are set. */
static bool is_ignored(struct copy_items *l, const char *path, size_t depth, bool is_dir)
{
	uint64_t *here = is_dir ? state_at(l, depth) : NULL;	/* first: it may move the others */
	const uint64_t *above = depth > 1 ? state_at(l, depth - 1) : NULL;

	return ignore_match_in(l->spec->ignore, above, path, here);
}

static size_t depth_of(const char *path)
{
	size_t n = *path != '\0';

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* States of an item's own directories. */
static void enter_item(struct copy_items *l, const struct copy_item *it)
{
	auto_free char *path = xstrdup(it->path);
	size_t depth = 0;

	for (char *c = path; *path; c++) {
		char was = *c;

		if (was != '/' && was != '\0')
			continue;
		*c = '\0';
		is_ignored(l, path, ++depth, true);
		*c = was;
		if (was == '\0')
			break;
	}
	l->of = it;
}

static enum tree_pick pick_context(struct copy_items *l, size_t item, const char *path, bool is_dir)
{
	const struct ignore *ig = l->spec->ignore;

	if (!l->spec->from_context || ignore_count(ig) == 0)
		return PICK_YES;
	if (l->of != &l->v[item])
		enter_item(l, &l->v[item]);
	if (!is_ignored(l, path, depth_of(path), is_dir))
		return PICK_YES;
	return is_dir && ignore_may_reinclude(ig, path) ? PICK_BELOW : PICK_NO;
}

enum tree_pick copy_pick(void *arg, size_t item, const char *path, bool is_dir)
{
	struct copy_items *l = arg;
	const struct copy_spec *c = l->spec;
	size_t above = strlen(l->v[item].path);
	const char *below = path + above + (above > 0);
	enum tree_pick picks[] = {
		pick_context(l, item, path, is_dir),
		pick_without(c->exclude, below, is_dir),
		pick_only(l->include, below, is_dir),
	};
	enum tree_pick all = PICK_YES;

	for (size_t i = 0; i < countof(picks); i++)
		if (picks[i] == PICK_NO)
			return PICK_NO;
		else if (picks[i] == PICK_BELOW)
			all = PICK_BELOW;
	return all;
}
