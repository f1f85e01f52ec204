/* SPDX-License-Identifier: Apache-2.0 */
/* `tare debug ast|expand|words|ignore`: the parser's tables, run from the outside. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/fs.h"
#include "cli/cmd.h"
#include "parser/dockerfile.h"
#include "parser/expand.h"
#include "parser/ignore.h"

#define INPUT_MAX ((size_t)32 << 20)

static int read_input(const char *path, size_t max, struct buf *ret, struct err *e)
{
	if (strcmp(path, "-") != 0)
		return fs_read(AT_FDCWD, path, max, ret, e);
	return fs_read_fd(0, max, ret, e) < 0 ? err_wrap(e, "standard input") : 0;
}

/* ---- debug ast ---- */

struct ast_args { bool check; };

static const struct opt ast_opts[] = {
	{ 0, "check", NULL, OPT_BOOL, offsetof(struct ast_args, check),
	  "Check what a build would check, too." },
	{ 0 },
};

/* Exit status: 0, or 1 after the messages were printed. */
static int ast_print(struct cli *c, const struct source *src, bool check, struct err *e)
{
	auto_arena struct arena a = { 0 };
	auto_buf struct buf text = { 0 };
	struct diag d = { 0 };
	struct dockerfile f;
	int r = check ? dockerfile_parse(src, &d, &a, &f, e) :
		dockerfile_parse_grammar(src, &d, &a, &f, e);

	diag_render(&d, &text);
	fputs(text.p ? text.p : "", c->err);
	diag_done(&d);
	if (r < 0) {
		err_clear(e);
		return 1;
	}
	buf_reset(&text);
	ast_dump(&f, &text);
	fwrite(text.p, 1, text.n, c->out);
	return 0;
}

static int ast_run(struct cli *c, void *args, int argc UNUSED, char **argv, struct err *e)
{
	struct ast_args *o = args;
	auto_buf struct buf text = { 0 };
	struct source src;
	int r;

	if (read_input(argv[0], SOURCE_MAX, &text, e) < 0 ||
	    source_init(&src, argv[0], buf_view(&text), e) < 0)
		return -1;
	r = ast_print(c, &src, o->check, e);
	source_done(&src);
	return r;
}

const struct cmd cmd_debug_ast = {
	.name = "debug ast", .synopsis = "[--check] FILE|-",
	.about = "Print a Dockerfile's tree, one line an instruction.",
	.opts = ast_opts, .args_size = sizeof(struct ast_args), .min = 1, .max = 1, .hidden = true,
	.bare = true, .run = ast_run,
};

/* ---- debug expand, debug words: a word a line in, a line of JSON out ---- */

struct expand_args {
	struct strv env;
	const char *escape;
	bool body;
};

static const struct opt expand_opts[] = {
	{ 'e', "env", "K=V", OPT_LIST, offsetof(struct expand_args, env),
	  "Set a variable; may be repeated." },
	{ 0, "escape", "CHAR", OPT_STR, offsetof(struct expand_args, escape),
	  "The escape character, \\ or `." },
	{ 0, "body", NULL, OPT_BOOL, offsetof(struct expand_args, body),
	  "Expand as the body of a heredoc." },
	{ 0 },
};

static const struct opt words_opts[] = {
	{ 'e', "env", "K=V", OPT_LIST, offsetof(struct expand_args, env),
	  "Set a variable; may be repeated." },
	{ 0, "escape", "CHAR", OPT_STR, offsetof(struct expand_args, escape),
	  "The escape character, \\ or `." },
	{ 0 },
};

static const char *env_value(void *arg, struct str name)
{
	const struct strv *env = arg;

	for (size_t i = env->n; i-- > 0; )
		if (strncmp(env->v[i], name.p, name.n) == 0 && env->v[i][name.n] == '=')
			return env->v[i] + name.n + 1;
	return NULL;
}

static void json_error(struct buf *out, struct err *e)
{
	buf_puts(out, "{\"error\":");
	buf_json_str(out, str_of(err_text(e)));
	buf_putc(out, '}');
	err_clear(e);
}

static void expand_line(const struct expand_args *o, struct env env, struct str line,
			struct buf *out)
{
	auto_buf struct buf text = { 0 };
	struct err e = { 0 };
	char escape = o->escape ? o->escape[0] : '\\';
	int r = o->body ? expand_body(line, env, &text, &e) :
		expand_word(line, escape, env, &text, &e);

	if (r < 0)
		json_error(out, &e);
	else
		buf_json_str(out, buf_view(&text));
}

static void words_line(const struct expand_args *o, struct env env, struct str line,
		       struct buf *out)
{
	auto_strv struct strv words = { 0 };
	struct err e = { 0 };

	if (expand_words(line, o->escape ? o->escape[0] : '\\', env, &words, &e) < 0) {
		json_error(out, &e);
		return;
	}
	buf_putc(out, '[');
	for (size_t i = 0; i < words.n; i++) {
		buf_puts(out, i ? "," : "");
		buf_json_str(out, str_of(words.v[i]));
	}
	buf_putc(out, ']');
}

/* A line "ENV K=V" sets a variable for those that follow. */
static int each_line(struct cli *c, struct expand_args *o, struct err *e,
		     void (*fn)(const struct expand_args *, struct env, struct str, struct buf *))
{
	auto_buf struct buf in = { 0 };
	struct env env = { env_value, &o->env };
	struct str rest;

	if (o->escape && strcmp(o->escape, "\\") != 0 && strcmp(o->escape, "`") != 0)
		return err_set(e, ERR_USAGE, "--escape takes \\ or `, not \"%s\"", o->escape);
	if (read_input("-", INPUT_MAX, &in, e) < 0)
		return -1;
	for (rest = buf_view(&in); rest.p && rest.n; ) {
		auto_buf struct buf out = { 0 };
		struct str line = str_cut(&rest, '\n');

		if (str_starts(line, "ENV ")) {
			strv_add_n(&o->env, str_sub(line, 4, line.n));
			continue;
		}
		fn(o, env, line, &out);
		buf_putc(&out, '\n');
		fwrite(out.p, 1, out.n, c->out);
	}
	return 0;
}

static int expand_run(struct cli *c, void *args, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	return each_line(c, args, e, expand_line);
}

static int words_run(struct cli *c, void *args, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	return each_line(c, args, e, words_line);
}

const struct cmd cmd_debug_expand = {
	.name = "debug expand", .synopsis = "[options] <WORDS",
	.about = "Expand each line of standard input as a word; print JSON strings. "
		 "A line \"ENV K=V\" sets a variable.",
	.opts = expand_opts, .args_size = sizeof(struct expand_args), .hidden = true, .bare = true,
	.run = expand_run,
};

const struct cmd cmd_debug_words = {
	.name = "debug words", .synopsis = "[options] <TEXTS",
	.about = "Expand each line of standard input and split it; print JSON arrays. "
		 "A line \"ENV K=V\" sets a variable.",
	.opts = words_opts, .args_size = sizeof(struct expand_args), .hidden = true, .bare = true,
	.run = words_run,
};

/* ---- debug ignore: is each path excluded? ---- */

static int answer(struct cli *c, const struct ignore *ig, struct str path)
{
	auto_free char *p = str_dup(path);

	return fprintf(c->out, "%s\t%s\n", p, ignore_match(ig, p) ? "true" : "false");
}

/* Lines of "PATTERN<TAB>PATH": a table of single patterns. */
static int ignore_row(struct cli *c, struct str line, struct err *e)
{
	struct str path = line, pattern = str_cut(&path, '\t');
	auto_strv struct strv patterns = { 0 };
	struct ignore *ig;

	if (!path.p)
		return err_set(e, ERR_USAGE,
			       "a line without a TAB between pattern and path: \"" STR_FMT "\"",
			       STR_ARG(line));
	strv_add_n(&patterns, pattern);
	fprintf(c->out, STR_FMT "\t", STR_ARG(pattern));
	if (ignore_new(&patterns, &ig, e) < 0) {
		fprintf(c->out, STR_FMT "\terror: %s\n", STR_ARG(path), err_text(e));
		err_clear(e);
		return 0;
	}
	answer(c, ig, path);
	ignore_free(ig);
	return 0;
}

static int ignore_run(struct cli *c, void *args UNUSED, int argc, char **argv, struct err *e)
{
	auto_buf struct buf in = { 0 };
	auto_buf struct buf text = { 0 };
	struct ignore *ig = NULL;
	struct str rest;
	int r = 0;

	if (argc && (read_input(argv[0], IGNORE_FILE_MAX, &text, e) < 0 ||
		     ignore_parse(argv[0], buf_view(&text), &ig, e) < 0))
		return -1;
	r = read_input("-", INPUT_MAX, &in, e);
	for (rest = buf_view(&in); r == 0 && rest.p && rest.n; ) {
		struct str line = str_cut(&rest, '\n');

		if (ig)
			answer(c, ig, line);
		else
			r = ignore_row(c, line, e);
	}
	ignore_free(ig);
	return r;
}

const struct cmd cmd_debug_ignore = {
	.name = "debug ignore", .synopsis = "[IGNOREFILE] <PATHS",
	.about = "Tell whether each path of standard input is excluded. "
		 "Without a file, lines are PATTERN<TAB>PATH.",
	.max = 1, .hidden = true, .bare = true, .run = ignore_run,
};
