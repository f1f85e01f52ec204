/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of patterns: read from a file or a flag, asked for a path or along a walk. */
#include "parser/ignore.h"

#include "parser/glob.h"
#include "parser/words.h"

struct pattern {
	struct glob glob;
	bool negated;
};

struct ignore {
	struct arena arena;
	struct pattern *v;
	size_t n, cap;
	bool negation;
};

/* One pattern, trimmed; text is without its "!". */
static int pattern_add(struct ignore *ig, struct str text, bool negated, struct err *e)
{
	auto_buf struct buf clean = { 0 };
	struct str s;

	if (text.n == 0)
		return err_set(e, ERR_USAGE, "illegal exclusion pattern: \"!\"");
	clean_path(text, &clean);
	s = buf_view(&clean);
	if (s.n > 1 && s.p[0] == '/')
		s = str_sub(s, 1, s.n);
	if (ig->n == ig->cap) {
		ig->cap = ig->cap ? 2 * ig->cap : 16;
		ig->v = xrealloc(ig->v, ig->cap * sizeof(*ig->v));
	}
	if (glob_compile(s, &ig->arena, &ig->v[ig->n].glob, e) < 0)
		return -1;
	ig->v[ig->n++].negated = negated;
	ig->negation |= negated;
	return 0;
}

static int line_add(struct ignore *ig, struct str line, struct err *e)
{
	bool negated;

	line = space_trim(line);
	if (line.n == 0)
		return 0;
	negated = line.p[0] == '!';
	return pattern_add(ig, negated ? space_trim(str_sub(line, 1, line.n)) : line, negated, e);
}

int ignore_parse(const char *name, struct str text, struct ignore **ret, struct err *e)
{
	struct ignore *ig;

	if (text.n > IGNORE_FILE_MAX)
		return err_set(e, ERR_LIMIT, "%s has %zu bytes; at most %zu MiB are read", name,
			       text.n,
			       IGNORE_FILE_MAX >> 20);
	if (str_starts(text, "\xef\xbb\xbf"))
		text = str_sub(text, 3, text.n);
	ig = xcalloc(1, sizeof(*ig));
	for (unsigned n = 1; text.p && text.n; n++) {
		struct str line = str_cut(&text, '\n');

		if (line.n && line.p[0] == '#')
			continue;
		if (line_add(ig, line, e) < 0) {
			ignore_free(ig);
			return err_wrap(e, "%s:%u", name, n);
		}
	}
	*ret = ig;
	return 0;
}

int ignore_new(const struct strv *patterns, struct ignore **ret, struct err *e)
{
	struct ignore *ig = xcalloc(1, sizeof(*ig));

	for (size_t i = 0; i < patterns->n; i++)
		if (line_add(ig, str_of(patterns->v[i]), e) < 0) {
			ignore_free(ig);
			return -1;
		}
	*ret = ig;
	return 0;
}

void ignore_free(struct ignore *ig)
{
	if (!ig)
		return;
	arena_done(&ig->arena);
	free(ig->v);
	free(ig);
}

size_t ignore_count(const struct ignore *ig)
{
	return ig ? ig->n : 0;
}

bool ignore_has_negation(const struct ignore *ig)
{
	return ig && ig->negation;
}

/* Does the pattern match path or one of its parents? */
static bool pattern_covers(const struct pattern *p, struct str path)
{
	if (glob_match(&p->glob, path))
		return true;
	for (size_t i = 1; i < path.n; i++)
		if (path.p[i] == '/' && glob_match(&p->glob, str_sub(path, 0, i)))
			return true;
	return false;
}

bool ignore_match(const struct ignore *ig, const char *path)
{
	struct str s = str_of(path);
	bool excluded = false;

	for (size_t i = 0; ig && i < ig->n; i++)	/* only what would change the answer is asked */
		if (ig->v[i].negated == excluded && pattern_covers(&ig->v[i], s))
			excluded = !excluded;
	return excluded;
}

/* Is there a pattern of this kind that may match something below dir? */
static bool any_below(const struct ignore *ig, const char *dir, bool negated)
{
	auto_buf struct buf text = { 0 };

	if (*dir && strcmp(dir, ".") != 0)
		buf_printf(&text, "%s/", dir);
	for (size_t i = 0; ig && i < ig->n; i++)
		if (ig->v[i].negated == negated && glob_may_begin(&ig->v[i].glob, buf_view(&text)))
			return true;
	return false;
}

bool ignore_may_reinclude(const struct ignore *ig, const char *dir)
{
	return ignore_has_negation(ig) && any_below(ig, dir, true);
}

bool ignore_may_match_below(const struct ignore *ig, const char *dir)
{
	if (any_below(ig, dir, false))
		return true;
	for (size_t i = 0; ig && i < ig->n; i++)
		if (!ig->v[i].negated && pattern_covers(&ig->v[i], str_of(dir)))
			return true;
	return false;
}

size_t ignore_state_words(const struct ignore *ig)
{
	return ig ? (ig->n + 63) / 64 : 0;
}

bool ignore_match_in(const struct ignore *ig, const uint64_t *above, const char *path,
		     uint64_t *here)
{
	struct str s = str_of(path);
	bool excluded = false;

	if (here && ig)
		memset(here, 0, ignore_state_words(ig) * sizeof(*here));
	for (size_t i = 0; ig && i < ig->n; i++) {
		const struct pattern *p = &ig->v[i];
		uint64_t bit = (uint64_t)1 << (i % 64);
		bool covers;

		if (!here && p->negated != excluded)
			continue;
		covers = (above && (above[i / 64] & bit)) || glob_match(&p->glob, s);
		if (covers && here)
			here[i / 64] |= bit;
		if (covers)
			excluded = !p->negated;
	}
	return excluded;
}
