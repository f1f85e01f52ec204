/* SPDX-License-Identifier: Apache-2.0 */
/* parser/source, diag, lex, parse, check, directive: nodes, places, here-documents, messages. */
#include "parser/dockerfile.h"

#include "parser/instr.h"
#include "tests/unit/unit.h"

struct parsed {
	struct source src;
	struct diag d;
	struct arena a;
	struct dockerfile f;
	struct err e;
	int r;
};

static void parse(struct parsed *p, struct str text, bool check)
{
	*p = (struct parsed){ 0 };
	assert_int_equal(source_init(&p->src, "D", text, &p->e), 0);
	p->r = check ? dockerfile_parse(&p->src, &p->d, &p->a, &p->f, &p->e) :
		       dockerfile_parse_grammar(&p->src, &p->d, &p->a, &p->f, &p->e);
}

static void done(struct parsed *p)
{
	source_done(&p->src);
	diag_done(&p->d);
	arena_done(&p->a);
	err_clear(&p->e);
}

static void test_dump(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "RUN something \\", "(run \"something\")\n" },
		{ "\t RUN a\\\n  b\\\n\tc  \\  \n d\ne", NULL },
		{ "RUN a\\\n  b\\\n# c\n  # d\n\n  e", "(run \"a  b  e\")\n" },
		{ "RUN a\\\r\nb\r\n", "(run \"ab\")\n" },
		{ "\xef\xbb\xbf" "FROM a", "(from \"a\")\n" },
		{ "FROM a\\\\\nFROM b", "(from \"a\\\\\\\\\")\n(from \"b\")\n" },
		{ "FROM a\\\\\\\nFROM b", "(from \"a\\\\\\\\\\\\\")\n(from \"b\")\n" },
		{ "#escape = `\n\nFROM image\nENV GOPATH `\n\\go",
		  "(from \"image\")\n(env \"GOPATH\" \"\\\\go\" \"\")\n" },
		{ "# c\n# escape = `\nENV A \\\n\\go", "(env \"A\" \"\\\\go\" \"\")\n" },
		{ "#escape=\\\n# key = FOO bar\n# escape=`\nRUN a\\\nb", "(run \"ab\")\n" },
		{ "COPY -- foo /tmp/", "(copy \"foo\" \"/tmp/\")\n" },
		{ "RUN --mount=\"type=bind,source=a b\" --x\\=y z",
		  "(run [\"--mount=type=bind,source=a b\" \"--x=y\"] \"z\")\n" },
		{ "COPY --a=`\" \" b c", "(copy [\"--a=` \"] \"b\" \"c\")\n" },
		{ "HEALTHCHECK", "(healthcheck)\n" }, { "RUN", "(run)\n" },
		{ "ONBUILD", "(onbuild)\n" },
		{ "HEALTHCHECK --interval=5s CMD a --quiet",
		  "(healthcheck [\"--interval=5s\"] \"CMD\" \"a --quiet\")\n" },
		{ "HEALTHCHECK CMD [\"a\",\"b\"]", "(healthcheck \"CMD\" \"a\" \"b\")\n" },
		{ "CMD [\"a\"] x", "(cmd \"[\\\"a\\\"] x\")\n" }, { "CMD [\"a\",1]", NULL },
		{ "ENV a=b c", NULL }, { "ENV PATH", NULL },
		{ "env A b  c ", "(env \"A\" \"b  c\" \"\")\n" },
		{ "ARG a b=c\\ d", "(arg \"a\" \"b=c\\\\ d\")\n" },
		{ "USER a b", "(user \"a b\")\n" },
		{ "EXPOSE 1 2\t3", "(expose \"1\" \"2\" \"3\")\n" },
		{ "ADD\t\tnull /", "(add \"null\" \"/\")\n" },
		{ "ONBUILD RUN [\"a\"]", "(onbuild (run \"a\"))\n" },
		{ "FNTRYPOINT [\"x\"]", NULL }, { "", NULL }, { "# c\n\n", NULL },
		{ "RUN <<E\nx", NULL }, { "RUN <<'E\nE", NULL },
		{ "# escape=x\nFROM a", NULL }, { "# syntax=a\n# syntax=b\nFROM a", NULL },
		{ "FROM a\0b", "(from \"a\")\n" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf b = { 0 };
		struct parsed p;

		parse(&p, str_of(rows[i].in), false);
		check((p.r < 0) == !rows[i].out, "%s: %s", rows[i].in, err_text(&p.e));
		if (p.r == 0)
			ast_dump(&p.f, &b);
		if (p.r == 0)
			check(strcmp(b.p, rows[i].out) == 0, "%s: %s", rows[i].in, b.p);
		done(&p);
	}
}

/* The source text beneath a span. */
static bool spans(struct span at, const char *want)
{
	return str_is(str_sub(at.src->text, at.off, at.len), want);
}

static void test_places(void **state)
{
	struct parsed p;
	const struct node *n;

	(void)state;
	parse(&p,
	      STR_LIT("# escape=\\\n\n# note\n# more\nFROM a AS b\nCOPY --chown=1 \\\n# gap\n  src\\\n.c dst\nRUN <<E cat\nx\nE\n"
			  "ONBUILD COPY a b\nCMD [\"x\", \"y\"]"), true);
	check(p.r == 0 && p.f.n == 5, "%s", err_text(&p.e));
	check(str_is(p.f.nodes[0]->comment, "note\nmore"), "comment");
	n = p.f.nodes[1];
	check(n->line == 6 && n->line_end == 9, "%u-%u", n->line, n->line_end);
	check(spans(n->name_at, "COPY") && spans(n->flags[0].at, "--chown=1"), "name, flag");
	check(spans(n->words[0].at, "src\\\n.c") && str_is(n->words[0].text, "src.c"),
	      "joined word");
	check(spans(n->words[1].at, "dst"), "second word");
	check(str_is(n->text, "COPY --chown=1   src.c dst"), "text");
	n = p.f.nodes[2];
	check(n->line == 10 && n->line_end == 12 && spans(n->at, "RUN <<E cat\nx\nE\n"),
	      "heredoc lines");
	check(str_is(n->original, "RUN <<E cat\nx\nE"), "original");
	n = p.f.nodes[3];
	check(n->onbuild && str_is(n->onbuild->original, "COPY a b") &&
	      spans(n->onbuild->name_at, "COPY"), "onbuild");
	n = p.f.nodes[4];
	check(n->json && spans(n->words[1].at, "\"y\"") && str_is(n->words[1].text, "y"), "json");
	check(source_place(n->words[1].at).line == 14 && source_place(n->words[1].at).col == 11,
	      "place");
	done(&p);
}

static void test_lines_of_stock_file(void **state)
{
	static const unsigned want[][2] = { { 2, 2 }, { 4, 5 }, { 6, 9 } };
	struct parsed p;

	(void)state;
	parse(&p, STR_LIT("# ESCAPE=\\\nFROM a\n\nRUN a \\\n  b\nRUN c \\\n\n # d\n  e\n"), false);
	assert_int_equal(p.f.n, 3);
	for (size_t i = 0; i < 3; i++)
		check(p.f.nodes[i]->line == want[i][0] && p.f.nodes[i]->line_end == want[i][1],
		      "node %zu", i);
	assert_int_equal(p.d.warnings, 1);
	check_str(p.d.items[0].msg, "Empty continuation line found in: RUN c   e");
	done(&p);
}

static void test_heredoc_words(void **state)
{
	static const struct { const char *line, *name; int fd; bool chomp, expand; } rows[] = {
		{ "RUN <<EOF", "EOF", 0, false, true }, { "RUN <<-EOF", "EOF", 0, true, true },
		{ "RUN 3<<X", "X", 3, false, true },
		{ "RUN <<'E'", "E", 0, false, false }, { "RUN <<\"E\"", "E", 0, false, false },
		{ "RUN <<E\"F\"", "EF", 0, false, false },
		{ "RUN <<eo'f'", "eof", 0, false, false },
		{ "RUN <<'e'o\\'f", "eo'f", 0, false, false },
		{ "RUN <<E\\F", "EF", 0, false, true },
		{ "RUN <<'one two' x", "one two", 0, false, false },
		{ "RUN <<  EOF  > foo", "EOF", 0, false, true },
		{ "RUN << -EOF", "-EOF", 0, false, true },
		{ "RUN <<- EOF", "EOF", 0, true, true }, { "RUN <<$X", "$X", 0, false, true },
		{ "COPY <<E /x", "E", 0, false, true },
		{ "ADD a <<E /x", "E", 0, false, true }, { "ONBUILD RUN <<E", "E", 0, false, true },
		{ "RUN cat 4<<E - # don't", "E", 4, false, true },
		{ "RUN \"<<NO\"", NULL, 0, false, false }, { "RUN '<<NO'", NULL, 0, false, false },
		{ "RUN <<<EOF", NULL, 0, false, false },
		{ "RUN <EOF", NULL, 0, false, false }, { "RUN <<", NULL, 0, false, false },
		{ "RUN <<-", NULL, 0, false, false },
		{ "RUN \"<<EOF sh\"", NULL, 0, false, false },
		{ "RUN [\"<<E\"]", NULL, 0, false, false }, { "CMD <<E", NULL, 0, false, false },
		{ "RUN echo $((1 << 2))", NULL, 0, false, false },
		{ "RUN a'<<X'", NULL, 0, false, false }, { "RUN a<<X", NULL, 0, false, false },
		{ "RUN \\<<X", NULL, 0, false, false }, { "RUN ''", NULL, 0, false, false },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_free char *text = xasprintf("%s\n\tbody\n%s\n", rows[i].line,
						 rows[i].name ? rows[i].name : "# none");
		const struct heredoc *h;
		struct parsed p;

		if (!rows[i].name)	/* the body is no instruction then */
			*strchr(text, '\n') = '\0';
		parse(&p, str_of(text), false);
		check(p.r == 0, "%s: %s", rows[i].line, err_text(&p.e));
		check(p.f.nodes[0]->nheredocs == !!rows[i].name, "%s", rows[i].line);
		if (rows[i].name) {
			h = p.f.nodes[0]->heredocs;
			check(str_is(h->name, rows[i].name) && h->fd == rows[i].fd &&
			      h->chomp == rows[i].chomp &&
			      h->expand == rows[i].expand, "%s", rows[i].line);
			check(str_is(h->body, h->chomp ? "body\n" : "\tbody\n") &&
			      str_is(h->raw, "\tbody\n"), "%s", rows[i].line);
		}
		done(&p);
	}
}

static void test_heredoc_files(void **state)
{
	const struct node *n;
	struct parsed p;

	(void)state;
	parse(&p, STR_LIT("FROM a\nCOPY --chmod=777 <<A f <<-\"B\" /d/\r\nx\r\nA\r\n\t\ty\n\tB\n"),
	      true);
	check(p.r == 0, "%s", err_text(&p.e));
	n = p.f.nodes[1];
	assert_int_equal(n->nwords, 4);
	assert_int_equal(n->nheredocs, 2);
	check(n->words[0].heredoc == &n->heredocs[0] && !n->words[1].heredoc &&
	      n->words[2].heredoc == &n->heredocs[1], "sources");
	check(str_is(n->heredocs[0].body, "x\r\n") && str_is(n->heredocs[1].body, "y\n"),
	      "CR stays in bodies");
	check(n->heredocs[0].expand && !n->heredocs[1].expand && str_is(n->words[3].text, "/d/"),
	      "quotes");
	done(&p);
}

static void test_run_forms(void **state)
{
	static const struct { const char *in; enum run_form form; const char *text; } rows[] = {
		{ "RUN make all", RUN_TEXT, "make all" }, { "RUN", RUN_TEXT, "" },
		{ "RUN [\"a\"]", RUN_EXEC, NULL },
		{ "RUN <<E\na\nb\nE", HEREDOC_SCRIPT, "a\nb\n" },
		{ "RUN  <<-E \n\ta\n\tE", HEREDOC_SCRIPT, "a\n" },
		{ "RUN <<E\n#!/bin/sh\nE", HEREDOC_FILE, "#!/bin/sh\n" },
		{ "RUN cat <<A | tr a b; cat <<B\nx\nA\ny\nB\n", HEREDOC_SHELL,
		  "cat <<A | tr a b; cat <<B\nx\nA\ny\nB" },
		{ "RUN <<E sh\nE", HEREDOC_SHELL, "<<E sh\nE" },
		{ "RUN --network=none <<E\nx\nE", HEREDOC_SCRIPT, "x\n" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf b = { 0 };
		struct parsed p;

		parse(&p, str_of(rows[i].in), false);
		check(p.r == 0 && run_form(p.f.nodes[0]) == rows[i].form, "%s", rows[i].in);
		run_text(p.f.nodes[0], &b);
		if (rows[i].text)
			check(str_is(buf_view(&b), rows[i].text), "%s: %s", rows[i].in, b.p);
		done(&p);
	}
}

static void test_flags(void **state)
{
	struct parsed p;
	struct str v;

	(void)state;
	parse(&p,
	      STR_LIT("FROM a\nCOPY --from=b --link --parents=False --exclude=x --exclude=y a b"), true);
	check(p.r == 0, "%s", err_text(&p.e));
	check(node_flag(p.f.nodes[1], "from", &v) && str_is(v, "b"), "from");
	check(node_flag_on(p.f.nodes[1], "link") && !node_flag_on(p.f.nodes[1], "parents"),
	      "booleans");
	check(!node_flag(p.f.nodes[1], "chown", &v) && !node_flag_on(p.f.nodes[1], "nosuch"),
	      "absent");
	done(&p);
}

/* Rules of the second stage whose message is quoted; each file has this one error only. */
static void test_checks(void **state)
{
	static const struct { const char *in, *msg; } rows[] = {
		{ "ENV", "ENV requires at least one argument" },
		{ "LABEL", "LABEL requires at least one argument" },
		{ "ONBUILD", "ONBUILD requires at least one argument" },
		{ "EXPOSE", "EXPOSE requires at least one argument" },
		{ "HEALTHCHECK", "HEALTHCHECK requires at least one argument" },
		{ "VOLUME", "VOLUME requires at least one argument" },
		{ "VOLUME []", "VOLUME requires at least one argument" },
		{ "ARG", "ARG requires at least one argument" },
		{ "ENV =v", "ENV names can not be blank" },
		{ "LABEL =v", "LABEL names can not be blank" },
		{ "ARG =v", "ARG names can not be blank" },
		{ "USER", "USER requires exactly one argument" },
		{ "ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed" },
		{ "ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger" },
		{ "ONBUILD MAINTAINER x", "MAINTAINER isn't allowed as an ONBUILD trigger" },
		{ "ONBUILD COPY a",
		  "COPY requires at least two arguments, but only one was provided" },
		{ "COPY --from=a --from=b x /", "duplicate flag specified: --from" },
		{ "COPY --chwon=1 a b", "COPY has no flag --chwon" },
		{ "CMD --x a", "CMD has no flag --x" },
		{ "COPY --from a b", "missing a value on flag: --from" },
		{ "COPY --link=x a b", "expecting boolean value for flag --link" },
		{ "COPY --from=$x a b", "'--from' doesn't support variable expansion" },
		{ "FROM x AS 1bad",
		  "invalid name for build stage: \"1bad\", name can't start with a number or contain symbols" },
		{ "FROM x y", "FROM requires either one or three arguments" },
		{ "FROM", "FROM requires either one or three arguments" },
		{ "FROM \"\"", "base name (\"\") should not be blank" },
		{ "HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD" },
		{ "HEALTHCHECK CMD []", "Missing command after HEALTHCHECK CMD" },
		{ "HEALTHCHECK CONNECT TCP 7",
		  "Unknown type \"CONNECT\" in HEALTHCHECK (try CMD)" },
		{ "HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments" },
		{ "HEALTHCHECK --interval=50ns CMD x", "cannot be less than 1ms" },
		{ "HEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative (-1)" },
		{ "SHELL powershell -command", "SHELL requires the arguments to be in JSON form" },
		{ "SHELL []", "SHELL requires at least one argument" },
		{ "VOLUME [\"\"]", "VOLUME specified can not be an empty string" },
		{ "RUN --mount=from=$x,target=/t ls",
		  "'from' doesn't support variable expansion, define alias stage instead" },
		{ "RUN --mount=target=$t,from=$x ls",
		  "'from' doesn't support variable expansion, define alias stage instead" },
		{ "RUN --mount=type=cache,target=/ ls", "invalid mount target \"/\"" },
		{ "RUN --network=foo x", "invalid network mode \"foo\"" },
		{ "RUN --security=x y", "security \"x\" is not valid" },
		{ "RUN []", "RUN [] has no command to run" },
		{ "STOPSIGNAL NOSUCH", "invalid signal: NOSUCH" },
		{ "COPY http://x/y /", "source can't be a URL for COPY" },
		{ "COPY https://h/r.git /", "source can't be a git ref for COPY" },
		{ "COPY --chmod=64a f /",
		  "invalid chmod parameter: '64a'. it should be octal string and between 0 and 07777" },
		{ "ADD --chmod=10000 f /",
		  "invalid chmod parameter: '10000'. it should be octal string and between 0 and 07777" },
		{ "EXPOSE 0.0.0.0:1234-1235:",
		  "invalid port: \"0.0.0.0:1234-1235:\": no port specified" },
		{ "CMD [\"a\\u0000\"]", "CMD takes no NUL byte" },
		{ "COPY a <<E\nE", "COPY cannot accept a heredoc as a destination" },
		{ "COPY <<../e /x\n../e", "a heredoc's name becomes a file name" },
		{ "FNTRYPOINT a", "unknown instruction: FNTRYPOINT" },
		{ "RUN <<E\nx", "unterminated heredoc" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_free char *text = xasprintf("FROM a\n%s\n", rows[i].in);
		struct parsed p;

		parse(&p, str_of(text), true);
		check(p.r < 0 && p.d.errors == 1, "%s: %zu errors", rows[i].in, p.d.errors);
		check(strstr(p.e.msg, rows[i].msg), "%s: %s", rows[i].in, p.e.msg);
		check(p.e.kind == ERR_USAGE && p.e.at.src == &p.src &&
		      source_place(p.e.at).line == 2, "%s", rows[i].in);
		done(&p);
	}
}

static void test_checks_passed(void **state)
{
	static const char *const rows[] = {
		"STOPSIGNAL --x=1 9", "ARG --x=1 a", "HEALTHCHECK --x=1 NONE", "RUN", "CMD", "ENTRYPOINT",
		"CMD []", "ENTRYPOINT []",
		"COPY --exclude=a --exclude=b x /", "RUN --mount=target=/a --mount=target=/b ls",
		"HEALTHCHECK --interval=0ms CMD a",
		"HEALTHCHECK --interval=1ms CMD a", "STOPSIGNAL SIGRTMIN+3", "STOPSIGNAL $S", "EXPOSE $P 80", "COPY --chmod=$M a b",
		"COPY --chmod=u=rwX,go-w a b", "ADD http://x/y /", "FROM a AS Build", "RUN --mount=type=$t,size=1,target=/ x",
		"WORKDIR /a b", "COPY [\"a b\", \"/\"]", "ONBUILD COPY --from=x a b", "ARG x y=", "LABEL a.b=\"\"", "COPY $a http",
		"RUN --device=vendor1.com/device=foo,required x", "MAINTAINER me",
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_free char *text = xasprintf("FROM a\n%s\n", rows[i]);
		struct parsed p;

		parse(&p, str_of(text), true);
		check(p.r == 0, "%s: %s", rows[i], err_text(&p.e));
		done(&p);
	}
}

static void test_order(void **state)
{
	static const struct { const char *in, *msg; } rows[] = {
		{ "ARG foo=bar", "dockerfile contains no stages to build" },
		{ "ARG a\nRUN x\nRUN y\nFROM z",
		  "RUN before the first FROM: no build stage in current context" },
		{ "FORM a\nRUN x", "unknown instruction: FORM" },
		{ "", "file with no instructions" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct parsed p;

		parse(&p, str_of(rows[i].in), true);
		check(p.d.errors == 1, "%s: %zu", rows[i].in, p.d.errors);
		check_str(p.e.msg, rows[i].msg);
		done(&p);
	}
}

static void test_all_errors(void **state)
{
	auto_buf struct buf b = { 0 };
	struct parsed p;

	(void)state;
	parse(&p, STR_LIT("FROM a\nCOPY --chwon=1000 app /app\n\tRUNN x\nENV PATH\n"), true);
	assert_int_equal(p.d.errors, 3);
	check_str(p.e.msg, "D has 3 errors, the first: COPY has no flag --chwon");
	diag_render(&p.d, &b);
	check_str(b.p,
		  "D:2:6: error: COPY has no flag --chwon\n"
		  "    2 | COPY --chwon=1000 app /app\n"
		  "      |      ^~~~~~~ did you mean --chown?\n"
		  "D:3:2: error: unknown instruction: RUNN\n"
		  "    3 | \tRUNN x\n"
		  "      | \t^~~~ did you mean RUN?\n"
		  "D:4:5: error: ENV must have two arguments\n"
		  "    4 | ENV PATH\n"
		  "      |     ^~~~\n");
	done(&p);
}

static void test_render_hostile(void **state)
{
	auto_buf struct buf text = { 0 };
	auto_buf struct buf b = { 0 };
	struct parsed p;

	(void)state;
	buf_puts(&text, "\xef\xbb\xbf" "FROM a\nEN\x1b[31m\xff x\nCOPY ");
	for (int i = 0; i < 30000; i++)
		buf_putc(&text, 'x');
	buf_puts(&text, " --nosuch");
	parse(&p, buf_view(&text), true);
	diag_render(&p.d, &b);
	check(b.n < 1000 && !memchr(b.p, 0x1b, b.n) && !memchr(b.p, 0xff, b.n), "%s", b.p);
	check(strstr(b.p, "unknown instruction: EN\\x1b[31m\\xff\n    2 | EN?[31m? x\n"), "%s",
	      b.p);
	done(&p);
}

static void test_limits(void **state)
{
	auto_buf struct buf b = { 0 };
	auto_buf struct buf out = { 0 };
	struct source src;
	struct parsed p;

	(void)state;
	buf_puts(&b, "FROM a\nRUN ");
	while (b.n < 65535 + 7)
		buf_putc(&b, 'x');
	b.p[65535 + 6] = '\n';		/* the longest line that is taken */
	parse(&p, buf_view(&b), true);
	check(p.r == 0, "%s", err_text(&p.e));
	done(&p);
	b.p[65535 + 6] = 'x';
	buf_putc(&b, '\n');
	parse(&p, buf_view(&b), true);
	check(p.r < 0 && strstr(p.e.msg, "line 2 has 65536 bytes; at most 65535 are allowed"), "%s",
	      err_text(&p.e));
	done(&p);
	buf_reset(&b);
	for (int i = 0; i < 300000; i++)
		buf_puts(&b, "x\n");
	parse(&p, buf_view(&b), true);
	diag_render(&p.d, &out);
	check(p.d.errors == 300000 && p.d.n == DIAG_KEPT && strstr(out.p,
								   "... and 299900 more errors\n"), "many errors");
	done(&p);
	assert_int_equal(source_init(&src, "D", (struct str){ "", SOURCE_MAX + 1 }, &p.e), -1);
	assert_int_equal(p.e.kind, ERR_LIMIT);
	err_clear(&p.e);
}

static void test_large(void **state)
{
	auto_buf struct buf b = { 0 };
	struct parsed p;

	(void)state;
	buf_puts(&b, "FROM a\n");
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "RUN <<E\nx\nE\n");
	parse(&p, buf_view(&b), true);
	check(p.r == 0 && p.f.n == 100001 && p.f.nodes[100000]->line_end == 300001, "heredocs");
	done(&p);
	buf_reset(&b);
	buf_puts(&b, "FROM a\nRUN ");
	for (int i = 0; i < 600000; i++)
		buf_puts(&b, "a\\\n");
	parse(&p, buf_view(&b), true);
	check(p.r == 0 && p.f.nodes[1]->words[0].text.n == 600000, "continuations");
	done(&p);
	for (int i = 0; i < 600000; i++)
		buf_puts(&b, "a\\\n");
	parse(&p, buf_view(&b), true);
	check(p.r < 0 && strstr(p.e.msg, "an instruction of more than 1024 KiB"), "%s",
	      err_text(&p.e));
	done(&p);
}

static void test_trigger(void **state)
{
	static const struct { const char *in, *msg; } rows[] = {
		{ "RUN x", NULL }, { "COPY --from=a b c", NULL }, { "RUN <<E\nx\nE", NULL },
		{ "RUN x\nRUN y", "one instruction" },
		{ "FROM x", "FROM isn't allowed" }, { "ONBUILD RUN x", "ONBUILD isn't allowed" },
		{ "", "no instructions" },
		{ "COPY a", "at least two" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		auto_arena struct arena a = { 0 };
		auto_err struct err e = { 0 };
		struct diag d = { 0 };
		struct source src;
		struct node *n;
		int r;

		assert_int_equal(source_init(&src, "OnBuild", str_of(rows[i].in), &e), 0);
		r = dockerfile_parse_trigger(&src, &d, &a, &n, &e);
		check((r < 0) == !!rows[i].msg, "%s: %s", rows[i].in, err_text(&e));
		if (r < 0)
			check(strstr(e.msg, rows[i].msg), "%s: %s", rows[i].in, e.msg);
		diag_done(&d);
		source_done(&src);
	}
}

static void test_directives(void **state)
{
	static const struct { const char *in, *ref, *all; unsigned line; } rows[] = {
		{ "# syntax = dockerfile:experimental // opts\nFROM a", "dockerfile:experimental",
		  "dockerfile:experimental // opts", 1 },
		{ "\xef\xbb\xbf# syntax = myfrontend\n", "myfrontend", "myfrontend", 1 },
		{ "# escape=`\n# SYNTAX=a", "a", "a", 2 },
		{ "//syntax=a\nx", "a", "a", 1 },
		{ "#!/usr/bin/env x\n//syntax=b c", "b", "b c", 2 },
		{ "{\n\"a\": {\"syntax\": \"no\"},\n \"syntax\": \"d:1\"}", "d:1", "d:1", 3 },
		{ "# c\n# syntax=a", NULL, NULL, 0 },
		{ "\n# syntax=a", NULL, NULL, 0 }, { "# other=x\n# syntax=a", NULL, NULL, 0 },
		{ "FROM a", NULL, NULL, 0 }, { "", NULL, NULL, 0 },
		{ "{\"syntax\": 1}", NULL, NULL, 0 }, { "{\"syntax", NULL, NULL, 0 },
	};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct str ref = { "", 0 }, all = { "", 0 };
		unsigned line = 0;
		bool found = syntax_detect(str_of(rows[i].in), &ref, &all, &line);

		check(found == !!rows[i].ref, "%s", rows[i].in);
		if (found)
			check(str_is(ref, rows[i].ref) && str_is(all, rows[i].all) &&
			      line == rows[i].line, "%s: %u", rows[i].in, line);
	}
	parse(&p, STR_LIT("# syntax=x y\n# check=skip=all\n# escape=`\nFROM a"), true);
	check(str_is(p.f.syntax, "x y") && str_is(p.f.check, "skip=all") && p.f.escape == '`',
	      "directives");
	check(p.f.nodes[0]->comment.n == 0 && source_place(p.f.check_at).line == 2, "no comments");
	done(&p);
}

static void test_check_options(void **state)
{
	static const char *const bad[] = { "x=1", "error=maybe",
					   "skip=a;error=1;experimental=all;skip=b", "skip" "ped=a" };
	auto_arena struct arena a = { 0 };
	auto_err struct err e = { 0 };
	struct check_options o;

	(void)state;
	assert_int_equal(check_parse(STR_LIT("skip=A, B;error=true"), &a, &o, &e), 0);
	check(o.nskip == 2 && str_is(o.skip[1], "B") && o.error && !o.skip_all, "skip, error");
	assert_int_equal(check_parse(STR_LIT("experimental=all;skip=all"), &a, &o, &e), 0);
	check(o.experimental_all && o.skip_all && !o.error, "all");
	for (size_t i = 0; i < countof(bad); i++)
		check(check_parse(str_of(bad[i]), &a, &o, &e) < 0, "%s", bad[i]);
	assert_int_equal(check_parse(STR_LIT("x=1"), &a, &o, &e), -1);
	check_str(e.msg, "invalid check option \"x\"");
}

static void test_table(void **state)
{
	static const char *const names[] = {
		"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER",
		"ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
	};

	(void)state;
	for (size_t i = 0; i < countof(names); i++) {
		const struct instr_def *def = instr_find(str_of(names[i]));

		check(def && def->id == (enum instr)i, "%s", names[i]);
		for (const struct flag_def *f = def->flags; f && f[0].name && f[1].name; f++)
			check(strcmp(f[0].name, f[1].name) < 0, "%s --%s", names[i], f[1].name);
	}
	check(instr_find(STR_LIT("Run")) && !instr_find(STR_LIT("RU")) && !instr_find(STR_LIT("")),
	      "case folded");
}

int suite_dockerfile(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dump), cmocka_unit_test(test_places), cmocka_unit_test(test_lines_of_stock_file),
		cmocka_unit_test(test_heredoc_words), cmocka_unit_test(test_heredoc_files), cmocka_unit_test(test_run_forms),
		cmocka_unit_test(test_flags), cmocka_unit_test(test_checks), cmocka_unit_test(test_checks_passed),
		cmocka_unit_test(test_order), cmocka_unit_test(test_all_errors), cmocka_unit_test(test_render_hostile),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_large), cmocka_unit_test(test_trigger),
		cmocka_unit_test(test_directives), cmocka_unit_test(test_check_options), cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests_name("dockerfile", tests, NULL, NULL);
}
