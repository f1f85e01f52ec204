/* SPDX-License-Identifier: Apache-2.0 */
/* COPY and ADD, rule by rule: source tree, words, destination tree, result. Case names as in the conformance list. */
#include "builder/copy.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "builder/copy_match.h"
#include "cache/layer.h"
#include "cache/lease.h"
#include "cache/snapshot.h"
#include "parser/flags.h"
#include "parser/ignore.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/tmp_tree.h"
#include "tests/unit/unit.h"

struct row {
	const char *name;
	const char *src;		/* the tree copied from */
	const char *words;		/* sources and, last, the destination */
	const char *dst;		/* what the destination has before */
	const char *want;		/* the destination's tree afterwards; NULL: an error */
	/* options */
	bool stage;			/* from a stage: owners are kept */
	const char *chown, *chmod;	/* "1:2"; as the flag says it */
	const char *ignore, *exclude;	/* lines; patterns separated by blanks */
	bool parents;
	const char *file;		/* a heredoc's name; its contents are "here" */
	enum err_kind kind;		/* of the error */
	const char *says;		/* a part of its message */
};

#define R(n, s, w, d, r, ...) { .name = n, .src = s, .words = w, .dst = d, .want = r, __VA_ARGS__ }
static const struct row rows[] = {
	R("CPY-002 file to name", "foo@1", "foo /foo2", "", "foo2=644@1"),
	R("CPY-002 file to root", "foo@1", "foo /", "", "foo=644@1"),
	R("CPY-003 dest is a directory", "foo@1", "foo /w/", "", "w/=755 w/foo=644@1"),
	R("dest ends in dot", "foo@1", "foo /w/.", "", "w/=755 w/foo=644@1"),
	R("dest in parents", "foo@1", "foo /a/b/c", "", "a/=755 a/b/=755 a/b/c=644@1"),
	R("dest with dots", "foo@1", "foo /a/../b/./c", "", "b/=755 b/c=644@1"),
	R("directory's contents", "d/ d/x@1 d/s/ d/s/y@2", "d /", "", "s/=755 s/y=644@2 x=644@1"),
	R("directory to new name", "d/=700 d/x@1", "d /e", "", "e/=755 e/x=644@1"),
	R("the whole context", "a@1 d/ d/b@2", ". /app/", "", "app/=755 app/a=644@1 app/d/=755 app/d/b=644@2"),
	R("source dots are clamped", "a@1", "../../a /b", "", "b=644@1"),
	R("CPY-008 wildcard flattens", "sub/ sub/dir1/ sub/dir1/dir2/ sub/dir1/dir2/foo@1", "sub/* /subdest/", "",
	  "subdest/=755 subdest/dir2/=755 subdest/dir2/foo=644@1"),
	R("CPY-010 wildcard, one match", "foo.go@1 x@2", "f*.go /foo2.go", "", "foo2.go=644@1"),
	R("CPY-012 no match", "a@1", "nomatch* /", "", ""),
	R("no match in no directory", "a@1", "no/such* /", "", ""),
	R("CPY-013 star stops at slash", "a/ a/b@1 c@2", "* /d/", "", "d/=755 d/b=644@1 d/c=644@2"),
	R("CPY-013 no globstar", "a/ a/b/ a/b/c@1 a/c@2", "**/c /d/", "", "d/=755 d/c=644@2"),
	R("CPY-014 class", "arr[0].txt@1 arr0.txt@2", "arr[[]0].txt /d/", "", "d/=755 d/arr[0].txt=644@1"),
	R("question mark and range", "a1@1 a2@2 ab@3 a@4", "a[0-9] /d/", "", "d/=755 d/a1=644@1 d/a2=644@2"),
	R("CPY-016 several to one name", "a@1 b@2", "a b /dst", "", "dst=644@2"),
	R("several to a directory", "a@1 b@2 d/ d/c@3", "a b d /dst/", "", "dst/=755 dst/a=644@1 dst/b=644@2 dst/c=644@3"),
	R("CPY-018 existing directory", "f@1", "f /have", "have/", "have/=755 have/f=644@1"),
	R("CPY-020 directory over file", "d/ d/x@1", "d /file", "file@old", NULL, .kind = ERR_USAGE, .says = "/file"),
	R("file over directory", "f@1", "f /d/", "d/ d/f/", NULL, .kind = ERR_USAGE,
	  .says = "cannot replace the directory /d/f"),
	R("file over file", "f=600@new", "f /", "f=644:1:1@old", "f=600@new"),
	R("VAL-044 missing", "a@1", "notexist /foo", "", NULL, .kind = ERR_NOT_FOUND, .says = "\"/notexist\": not found"),
	R("missing below a file", "a@1", "a/b /foo", "", NULL, .kind = ERR_NOT_FOUND, .says = "\"/a/b\": not found"),
	R("through a file", "a@1", "a /f/b", "f@1", NULL, .kind = ERR_USAGE, .says = "/f"),
	R("slash says directory", "a@1", "a /f/", "f@1", NULL, .kind = ERR_USAGE, .says = "/f"),
	R("CPY-024 link to file", "foo>bar bar@1", "foo /", "", "foo=644@1"),
	R("link to directory", "l>d d/ d/x@1", "l /e/", "", "e/=755 e/x=644@1"),
	R("CPY-027 link inside the context", "foo/ foo/sub>../bar bar/ bar/x@1", "foo/sub /b", "", "b/=755 b/x=644@1"),
	R("CPY-029 link out of the context", "l>../../../etc/hostname etc/ etc/hostname@mine", "l /h", "", "h=644@mine"),
	R("absolute link", "l>/etc/hostname etc/ etc/hostname@mine", "l /h", "", "h=644@mine"),
	R("dangling link", "l>nowhere", "l /h", "", NULL, .kind = ERR_NOT_FOUND, .says = "\"/l\": not found"),
	R("loop of links", "a>b b>a", "a /h", "", NULL, .kind = ERR_NOT_FOUND),
	R("links inside are copied as links", "d/ d/l>/nowhere d/m>x d/x@1", "d /e/", "", "e/=755 e/l>/nowhere e/m>x e/x=644@1"),
	R("wildcard-matched link is followed", "l1>t t@1", "l* /d/", "", "d/=755 d/l1=644@1"),
	R("CPY-030 dest through link", "foo@1", "foo /symlink/", "symlink>../tmp/target", "symlink>../tmp/target tmp/=755 tmp/target/=755 tmp/target/foo=644@1"),
	R("dest is a link to a file", "foo@1", "foo /l", "l>real real@old", "l>real real=644@1"),
	R("dest link leads out", "foo@1", "foo /l/x", "l>../../../..", "l>../../../.. x=644@1"),
	R("dest is a dangling link", "foo@1", "foo /l", "l>a/b", "a/=755 a/b=644@1 l>a/b"),
	R("dest loop", "foo@1", "foo /l/x", "l>l", NULL, .kind = ERR_USAGE),
	R("link inside dest is replaced by a file", "d/ d/f@1", "d /e/", "e/ e/f>t e/t@old", "e/=755 e/f=644@1 e/t=644@old"),
	R("CPY-033 directory over link", "d/ d/s/ d/s/x@1", "d /e/", "e/ e/s>t e/t/", NULL, .kind = ERR_USAGE, .says = "/e/s"),
	R("CPY-035 pipe and device", "d/ d/p| d/c%1:3 d/s$", "d /e/", "", "e/=755 e/c%1:3 e/p| e/s=755@", .stage = true),
	R("hard links stay", "d/ d/a@1 d/b~d/a", "d /e/", "", "e/=755 e/a=644@1 e/b~e/a"),
	R("hard links, one left behind", "d/ d/a@1 d/b~d/a", "d/b /e/", "", "e/=755 e/b=644@1"),
	R("directories merge", "d/ d/s/ d/s/n@1", "d /e/", "e/ e/s/ e/s/o@2", "e/=755 e/s/=755 e/s/n=644@1 e/s/o=644@2"),

	R("OWN-001 context is root's", "f=644:5:6@1 d/=755:7:7 d/g=640:8:8@2", ". /e/", "", "e/=755 e/d/=755 e/d/g=640@2 e/f=644@1"),
	R("OWN-002 stage keeps owners", "f=644:100:200@1", "f /", "", "f=644:100:200@1", .stage = true),
	R("OWN-003 top directory is root's", "dir/=700:100:200 dir/s/=750:101:201 dir/s/f=600:102:202@1", "dir /dir", "",
	  "dir/=755 dir/s/=750:101:201 dir/s/f=600:102:202@1", .stage = true),
	R("existing top directory stays", "dir/=700:100:200 dir/f@1", "dir /dir", "dir/=711:3:4", "dir/=711:3:4 dir/f=644@1", .stage = true),
	R("OWN-005 chown, new top", "dir/ dir/s/=755:1:1 dir/s/f=644:9:9@1", "dir /dir", "", "dir/=755:300:400 dir/s/=755:300:400 dir/s/f=644:300:400@1",
	  .stage = true, .chown = "300:400"),
	R("OWN-005 chown, existing top", "dir/ dir/f@1", "dir /dir", "dir/=755:500:600", "dir/=755:500:600 dir/f=644:300:400@1",
	  .stage = true, .chown = "300:400"),
	R("OWN-006 nested directory takes the source's", "d/ d/s/=711:5:5 d/s/n@1", "d /e/", "e/ e/s/=755:1:1", "e/=755 e/s/=711:5:5 e/s/n=644@1", .stage = true),
	R("chown of made parents", "f@1", "f /a/b/f", "a/", "a/=755 a/b/=755:3:4 a/b/f=644:3:4@1", .chown = "3:4"),
	R("OWN-014 chmod", "f@1", "f /", "", "f=4755@1", .chmod = "4755"),
	R("OWN-014 chmod 0", "f@1", "f /", "", "f=0@1", .chmod = "0"),
	R("OWN-015 chmod of made parents", "foo@1", "foo /parent/foo", "", "parent/=777 parent/foo=777@1", .chmod = "777"),
	R("OWN-015 only of those", "foo@1", "foo /parent/sub/foo", "parent/", "parent/=755 parent/sub/=770 parent/sub/foo=770@1", .chmod = "770"),
	R("chmod of directories", "d/ d/s/ d/s/f@1", "d /e/", "", "e/=711 e/s/=711 e/s/f=711@1", .chmod = "711"),
	R("OWN-018 symbolic", "d/ d/s/=124 d/f=124@1", "d /e/", "e/", "e/=755 e/f=135@1 e/s/=135", .chmod = "a+X"),
	R("OWN-019 without who", "f=600@1", "f /", "", "f=711@1", .chmod = "+x"),
	R("OWN-020 links: owner, no mode", "d/ d/l>x", "d /e/", "", "e/=600:1:2 e/l>x=1:2", .chown = "1:2", .chmod = "600"),

	R("PAX-001", "foo1/ foo1/foo2/ foo1/foo2/bar@1 foo1/x@2", "foo1/foo2/bar /", "", "foo1/=755 foo1/foo2/=755 foo1/foo2/bar=644@1", .parents = true),
	R("PAX-001 wildcard", "foo1/ foo1/foo2/ foo1/foo2/bar@1 foo1/foo2/baz@2 foo1/foo2/x@3", "foo1/foo2/ba* /test/", "",
	  "test/=755 test/foo1/=755 test/foo1/foo2/=755 test/foo1/foo2/bar=644@1 test/foo1/foo2/baz=644@2", .parents = true),
	R("PAX-004 leading ./ is no pivot", "t/ t/a/ t/a/d@1", "./t/a/d /out/", "", "out/=755 out/t/=755 out/t/a/=755 out/t/a/d=644@1", .parents = true),
	R("PAX-005 first pivot", "t/ t/a/ t/a/b/ t/a/b/c@1", "/t/a/./b/./c /out/", "", "out/=755 out/b/=755 out/b/c=644@1", .parents = true),
	R("PAX-006 wildcard after pivot", "t/ t/b/ t/b/c/ t/b/c/x@1 t/b2/ t/b2/c/ t/b2/c/y@2 t/q/ t/q/z@3", "/t/./*/c /out/", "",
	  "out/=755 out/b/=755 out/b/c/=755 out/b/c/x=644@1 out/b2/=755 out/b2/c/=755 out/b2/c/y=644@2", .parents = true),
	R("PAX-007 wildcard before, globstar after", "t/ t/b/ t/b/c/ t/b/c/d/ t/b/c/d/e@1 t/b2/ t/b2/c/ t/b2/c/e@2 t/b2/e@3",
	  "/t/b*/./c/**/e /out/", "", "out/=755 out/c/=755 out/c/d/=755 out/c/d/e=644@1 out/c/e=644@2", .parents = true),
	R("parents, missing", "a@1", "no/such /out/", "", NULL, .parents = true, .kind = ERR_NOT_FOUND, .says = "\"/no/such\": not found"),
	R("parents, no match", "a@1", "n*/x /out/", "", "out/=755", .parents = true),
	R("exclude", "d/ d/a.txt@1 d/b.md@2 d/s/ d/s/c.txt@3", "d /e/", "", "e/=755 e/b.md=644@2 e/s/=755 e/s/c.txt=644@3", .exclude = "*.txt"),
	R("exclude below", "d/ d/a.txt@1 d/s/ d/s/c.txt@3 d/s/d@4", "d /e/", "", "e/=755 e/s/=755 e/s/d=644@4", .exclude = "**/*.txt"),
	R("exclude with exception", "d/ d/a.txt@1 d/b.txt@2", "d /e/", "", "e/=755 e/b.txt=644@2", .exclude = "*.txt !b.txt"),
	R("exclude of a wildcard's match", "home@1 homage.txt@2", "hom* /e/", "", "e/=755 e/home=644@1", .exclude = "*.txt"),

	R("ignore", "a@1 b@2 d/ d/c@3 d/e@4", ". /x/", "", "x/=755 x/a=644@1 x/d/=755 x/d/e=644@4", .ignore = "b\nd/c"),
	R("ignored source", "b@2", "b /x/", "", NULL, .ignore = "b", .kind = ERR_NOT_FOUND, .says = "\"/b\": not found"),
	R("ignored by parent", "d/ d/b@2", "d/b /x/", "", NULL, .ignore = "d", .kind = ERR_NOT_FOUND),
	R("link to an ignored file", "l>b b@1", "l /x/", "", NULL, .ignore = "b", .kind = ERR_NOT_FOUND),
	R("ignored but for one", "d/ d/a@1 d/b@2 d/s/ d/s/c@3", ". /x/", "", "x/=755 x/d/=755 x/d/b=644@2", .ignore = "d\n!d/b"),
	R("ignored match of a wildcard", "a1@1 a2@2", "a* /x/", "", "x/=755 x/a2=644@2", .ignore = "a1"),
	R("a stage has no ignore file", "b@2", "b /x", "", "x=644@2", .ignore = "b", .stage = true),

	R("HER-020 one file", "", "/dest/", "", "dest/=755 dest/single=644@here", .file = "single"),
	R("HER-020 to a name", "", "/dest", "", "dest=644@here", .file = "single"),
	R("HER-023 attributes", "", "/p", "", "p=777:1:2@here", .file = "single", .chmod = "777", .chown = "1:2"),
	R("HER-019 after the sources", "single@ctx o@2", "single o /bar/", "", "bar/=755 bar/o=644@2 bar/single=644@here", .file = "single"),
};

struct call {
	struct copy_spec c;
	struct chmod_spec chmod;
	struct ignore *ignore, *exclude;
	struct copy_file file;
	char *dest;
};

static void call_init(struct call *k, const struct row *r, int src)
{
	auto_err struct err e = { 0 };
	auto_strv struct strv patterns = { 0 };
	unsigned uid = 0, gid = 0;

	*k = (struct call){ .c = { .src_root = src, .scratch = src, .from_context = !r->stage, .parents = r->parents,
				   .now_ns = -1 } };
	for (struct str rest = str_of(r->words); rest.p; )
		strv_add_n(&k->c.src, str_cut(&rest, ' '));
	k->dest = k->c.src.v[--k->c.src.n];
	k->c.src.v[k->c.src.n] = NULL;
	k->c.dest = k->dest;
	if (r->chown) {
		check(sscanf(r->chown, "%u:%u", &uid, &gid) == 2, "%s", r->chown);
		k->c.chown = true;
		k->c.uid = uid;
		k->c.gid = gid;
	}
	if (r->chmod) {
		check(chmod_parse(str_of(r->chmod), &k->chmod, &e) == 0, "%s", err_text(&e));
		k->c.chmod = &k->chmod;
	}
	if (r->ignore)
		check(ignore_parse(".dockerignore", str_of(r->ignore), &k->ignore, &e) == 0, "%s", err_text(&e));
	for (struct str rest = str_of(r->exclude); r->exclude && rest.p; )
		strv_add_n(&patterns, str_cut(&rest, ' '));
	if (r->exclude)
		check(ignore_new(&patterns, &k->exclude, &e) == 0, "%s", err_text(&e));
	k->c.ignore = k->ignore;
	k->c.exclude = k->exclude;
	k->file = (struct copy_file){ r->file, STR_LIT("here") };
	k->c.files = &k->file;
	k->c.nfiles = r->file != NULL;
}

static void call_done(struct call *k)
{
	strv_done(&k->c.src);
	ignore_free(k->ignore);
	ignore_free(k->exclude);
	free(k->dest);
}

static void run_row(struct tmp_store *t, const struct row *r, size_t i)
{
	auto_free char *a = xasprintf("s%zu", i), *b = xasprintf("d%zu", i);
	auto_fd int src = tree_tmp(t, a), dst = tree_tmp(t, b);
	auto_err struct err e = { 0 };
	auto_free char *before = NULL, *after = NULL;
	struct digest d;
	struct call k;
	struct job j;
	int run, dig;

	tree_make(src, r->src);
	tree_make(dst, r->dst);
	before = tree_text(src, true);
	call_init(&k, r, src);
	check(job_init(&j, NULL, &e) == 0, "job");
	run = copy_run(&j, &k.c, dst, &e);
	after = tree_text(src, true);
	check(strcmp(before, after) == 0, "%s: the source was changed", r->name);
	if (r->want) {
		check(run == 0, "%s: %s", r->name, err_text(&e));
		auto_free char *got = tree_text(dst, false);
		check(strcmp(got, r->want) == 0, "%s:\n  %s\nand should be\n  %s", r->name, got, r->want);
	} else {
		check(run < 0 && e.kind == r->kind, "%s: %s", r->name, err_text(&e));
		check(!r->says || strstr(err_text(&e), r->says), "%s: %s", r->name, err_text(&e));
	}
	err_clear(&e);
	dig = copy_digest(&j, NULL, &k.c, NULL, NULL, &d, &e);
	check((dig == 0) == (r->want || r->kind != ERR_NOT_FOUND), "%s: digest: %s", r->name, err_text(&e));
	check(dig == 0 || e.kind == ERR_NOT_FOUND, "%s: digest: %s", r->name, err_text(&e));
	call_done(&k);
	job_done(&j);
}

static void test_rules(void **state)
{
	for (size_t i = 0; i < countof(rows); i++)
		run_row(*state, &rows[i], i);
}

/* What makes the digest another: two sources with the same words. */
static void test_digest(void **state)
{
	static const struct { const char *name; struct row a, b; bool same; } pairs[] = {
		{ "CAC-007 moved directory", { .src = "d1/ d1/f@1", .words = "d1/f /x" }, { .src = "d2/ d2/f@1", .words = "d2/f /x" }, true },
		{ "CAC-006 renamed file", { .src = "a@1", .words = "a /x" }, { .src = "b@1", .words = "b /x" }, false },
		{ "CAC-003 renamed match", { .src = "file1@1", .words = "file* /x/" }, { .src = "file2@1", .words = "file* /x/" }, false },
		{ "CAC-002 not selected", { .src = "foo1@1 bar@1", .words = "foo* /x/" }, { .src = "foo1@1 bar@2", .words = "foo* /x/" }, true },
		{ "contents", { .src = "a@1", .words = "a /x" }, { .src = "a@2", .words = "a /x" }, false },
		{ "mode", { .src = "a@1", .words = "a /x" }, { .src = "a=755@1", .words = "a /x" }, false },
		{ "owner in a context", { .src = "a@1", .words = "a /x" }, { .src = "a=644:1:1@1", .words = "a /x" }, true },
		{ "owner in a stage", { .src = "a@1", .words = "a /x", .stage = true },
		  { .src = "a=644:1:1@1", .words = "a /x", .stage = true }, false },
		{ "ignored", { .src = "d/ d/a@1 d/b@1", .words = "d /x", .ignore = "d/b" },
		  { .src = "d/ d/a@1 d/b@2", .words = "d /x", .ignore = "d/b" }, true },
		{ "excluded", { .src = "d/ d/a@1 d/b@1", .words = "d /x", .exclude = "b" },
		  { .src = "d/ d/a@1", .words = "d /x", .exclude = "b" }, true },
		{ "own mode of a directory source", { .src = "d/ d/a@1", .words = "d /x" }, { .src = "d/=700 d/a@1", .words = "d /x" }, true },
		{ "parents: only the pattern's", { .src = "d/ d/a@1 d/b@1", .words = "d/a /x/", .parents = true },
		  { .src = "d/ d/a@1 d/b@2", .words = "d/a /x/", .parents = true }, true },
		{ "heredoc's name", { .src = "", .words = "/x/", .file = "a" }, { .src = "", .words = "/x/", .file = "b" }, false },
	};

	for (size_t i = 0; i < countof(pairs); i++) {
		const struct row *r[2] = { &pairs[i].a, &pairs[i].b };
		struct digest d[2];

		for (size_t k = 0; k < 2; k++) {
			auto_free char *name = xasprintf("p%zu-%zu", i, k);
			auto_fd int src = tree_tmp(*state, name);
			auto_err struct err e = { 0 };
			struct call c;
			struct job j;

			tree_make(src, r[k]->src);
			call_init(&c, r[k], src);
			check(job_init(&j, NULL, &e) == 0 && copy_digest(&j, NULL, &c.c, NULL, NULL, &d[k], &e) == 0,
			      "%s: %s", pairs[i].name, err_text(&e));
			call_done(&c);
			job_done(&j);
		}
		check(digest_eq(&d[0], &d[1]) == pairs[i].same, "%s", pairs[i].name);
	}
}

/* ADD: archives are told by content, not by name. */
static void test_add(void **state)
{
	static const struct { const char *made_of, *tar, *name, *want, *chown, *dst; } adds[] = {
		{ "etc/ etc/dnf/ etc/dnf/x@1", "etc/dnf/x", "a.tar", "out/=755 out/etc/=755 out/etc/dnf/=755 out/etc/dnf/x=644@1", NULL, "" },	/* CPY-048: implied parents */
		{ "d/=711:3:4 d/x=600:5:6@1", "d", "picture.png", "out/=755 out/d/=711:3:4 out/d/x=600:5:6@1", NULL, "" },
		{ "d/=711:3:4 d/x=600:5:6@1", "d", "a.tar", "out/=755:7:8 out/d/=711:7:8 out/d/x=600:7:8@1", "7:8", "" },
		{ "l>/ l2>..", "l l2", "a.tar", "out/=755 out/l>/ out/l2>..", NULL, "" },
		{ "d/ d/f@1", "d", "a.tar", "out/=755 out/d/=755 out/d/f=644@1 out/d/g=644@2", NULL, "out/ out/d/ out/d/g@2" },
		{ "d/ d/f@1", "d", "a.tar", "out/=755 out/d/=755 out/d/f=644@1 real/=755", NULL, "out/ real/ out/d>../real" },
	};

	for (size_t i = 0; i < countof(adds); i++) {
		auto_free char *a = xasprintf("m%zu", i), *b = xasprintf("s%zu", i), *c = xasprintf("d%zu", i);
		auto_fd int made = tree_tmp(*state, a), src = tree_tmp(*state, b), dst = tree_tmp(*state, c);
		auto_free char *words = xasprintf("%s /out/", adds[i].name), *cmd = NULL;
		struct row r = { .words = words, .chown = adds[i].chown };
		auto_err struct err e = { 0 };
		const char *argv[] = { "sh", "-c", NULL, NULL };
		struct spawned s;
		struct call k;
		struct job j;

		tree_make(made, adds[i].made_of);
		tree_make(dst, adds[i].dst);
		cmd = xasprintf("tar -cf - --numeric-owner %s | %s >../s%zu/%s", adds[i].tar, i % 2 ? "gzip" : "cat", i, adds[i].name);
		argv[2] = cmd;
		s = tree_spawn(made, argv, STR_LIT(""));
		check(s.status == 0, "%s", s.out.p ? s.out.p : "");
		buf_done(&s.out);
		call_init(&k, &r, src);
		k.c.add = true;
		check(job_init(&j, NULL, &e) == 0 && copy_run(&j, &k.c, dst, &e) == 0, "%s: %s", adds[i].tar, err_text(&e));
		check_tree(dst, adds[i].want);
		call_done(&k);
		job_done(&j);
	}
}

/* CPY-047 and --unpack=false: what is no archive, or shall stay one, is a file. */
static void test_add_plain(void **state)
{
	static const char *const plain[] = { "x.tar@notatar", "x.tar@", "x.tar@longer_text_but_no_archive" };
	static const char *const tar[] = { "tar", "-cf", "../ps/y.tar", "f", NULL };
	auto_fd int src = tree_tmp(*state, "ps"), made = tree_tmp(*state, "pm"), dst = tree_tmp(*state, "pd");
	auto_err struct err e = { 0 };
	struct spawned s;
	struct stat st;
	struct call k;
	struct job j;

	check(job_init(&j, NULL, &e) == 0, "job");
	for (size_t i = 0; i < countof(plain); i++) {
		struct row r = { .words = "x.tar /x.tar" };

		tree_make(src, plain[i]);
		call_init(&k, &r, src);
		k.c.add = true;
		check(copy_run(&j, &k.c, dst, &e) == 0, "%s", err_text(&e));
		check(fstatat(dst, "x.tar", &st, 0) == 0 && S_ISREG(st.st_mode), "a file");
		call_done(&k);
	}
	tree_make(made, "f@1");
	s = tree_spawn(made, tar, STR_LIT(""));
	check(s.status == 0, "tar");
	buf_done(&s.out);
	for (int i = 0; i < 2; i++) {		/* COPY; ADD --unpack=false */
		struct row r = { .words = "y.tar /y.tar" };

		call_init(&k, &r, src);
		k.c.add = k.c.no_unpack = i;
		check(copy_run(&j, &k.c, dst, &e) == 0, "%s", err_text(&e));
		check(fstatat(dst, "y.tar", &st, 0) == 0 && S_ISREG(st.st_mode) && st.st_size >= 1024, "a file");
		call_done(&k);
	}
	job_done(&j);
}

/* An archive that tries to get out of the destination's root finds only the root. */
static void test_add_hostile(void **state)
{
	static const char script[] =
		"import tarfile,io,sys\n"
		"t=tarfile.open('../hs/evil.tar','w')\n"
		"def e(n,ty,l='',d=b''):\n"
		"    i=tarfile.TarInfo(n); i.type=ty; i.linkname=l; i.size=len(d); t.addfile(i,io.BytesIO(d))\n"
		"e('up',tarfile.SYMTYPE,'../../../../../..')\n"
		"e('up/tare-escaped',tarfile.REGTYPE,d=b'x')\n"
		"e('abs',tarfile.SYMTYPE,'/')\n"
		"e('abs/tare-escaped2',tarfile.REGTYPE,d=b'x')\n"
		"t.close()\n";
	static const char *const argv[] = { "python3", "-c", script, NULL };
	auto_fd int src = tree_tmp(*state, "hs"), dst = tree_tmp(*state, "hd");
	struct row r = { .words = "evil.tar /out/" };
	auto_err struct err e = { 0 };
	struct spawned s = tree_spawn(src, argv, STR_LIT(""));
	struct call k;
	struct job j;

	check(s.status == 0, "%s", s.out.p ? s.out.p : "");
	buf_done(&s.out);
	call_init(&k, &r, src);
	k.c.add = true;
	check(job_init(&j, NULL, &e) == 0 && copy_run(&j, &k.c, dst, &e) == 0, "%s", err_text(&e));
	check_tree(dst, "out/=755 out/abs>/ out/up>../../../../../.. tare-escaped=644@x tare-escaped2=644@x");
	check(access("/tare-escaped", F_OK) < 0 && access("/tare-escaped2", F_OK) < 0, "nothing got out");
	call_done(&k);
	job_done(&j);
}

static void test_attributes(void **state)
{
	auto_fd int src = tree_tmp(*state, "as"), dst = tree_tmp(*state, "ad");
	struct row r = { .words = "d /e/", .stage = true };
	auto_err struct err e = { 0 };
	char got[64];
	struct stat st;
	struct call k;
	struct job j;

	tree_make(src, "d/ d/f@1");
	{
		auto_fd int fd = openat(src, "d/f", O_RDONLY);

		check(fsetxattr(fd, "security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0) == 0 &&
		      fsetxattr(fd, "user.note", "hi", 2, 0) == 0 &&
		      futimens(fd, (struct timespec[2]){ { 5, 0 }, { 1234567890, 987654321 } }) == 0, "setxattr");
	}
	call_init(&k, &r, src);
	check(job_init(&j, NULL, &e) == 0 && copy_run(&j, &k.c, dst, &e) == 0, "%s", err_text(&e));
	{
		auto_fd int fd = openat(dst, "e/f", O_RDONLY);

		check(fgetxattr(fd, "security.capability", got, sizeof(got)) == 20, "capability");
		check(fgetxattr(fd, "user.note", got, sizeof(got)) == 2, "user attribute");
		check(fstat(fd, &st) == 0 && st.st_mtim.tv_sec == 1234567890 && st.st_mtim.tv_nsec == 987654321, "time");
	}
	check(fstatat(dst, "e", &st, 0) == 0 && st.st_mtim.tv_sec == TREE_TIME, "a made directory has the newest time");
	call_done(&k);
	job_done(&j);
}

/* The same copy on the same base gives the same layer, whenever it is made; large files arrive whole. */
static void test_same_layer(void **state)
{
	struct tmp_store *t = *state;
	auto_fd int src = tree_tmp(t, "ls");
	auto_err struct err e = { 0 };
	struct digest d[2];

	tree_make(src, "app/ app/main@1 app/lib/ app/lib/x@2 app/big@");
	{
		auto_fd int fd = openat(src, "app/big", O_WRONLY);

		check(pwrite(fd, "end", 3, 3000000) == 3 && pwrite(fd, "mid", 3, 1000000) == 3, "write");
		check(futimens(fd, (struct timespec[2]){ { 1, 0 }, { TREE_TIME, 0 } }) == 0, "time");
	}
	for (size_t i = 0; i < 2; i++) {
		struct row r = { .words = "app /srv/new/", .file = "conf" };
		auto_layer struct layer *base = NULL, *l = NULL;
		auto_buf struct buf big = { 0 };
		struct snapshot *s;
		struct lease *lease;
		struct call k;
		struct job j;

		check(job_init(&j, NULL, &e) == 0 && lease_new(t->s, &lease, &e) == 0 &&
		      snapshot_open(t->s, lease, NULL, 0, true, &s, &e) == 0, "%s", err_text(&e));
		tree_make(snapshot_fd(s), "srv/ srv/old@1");
		check(snapshot_take(s, &base, &e) == 0, "%s", err_text(&e));
		snapshot_free(s);
		check(snapshot_open(t->s, lease, &base, 1, true, &s, &e) == 0, "%s", err_text(&e));
		call_init(&k, &r, src);
		check(copy_run(&j, &k.c, snapshot_fd(s), &e) == 0, "%s", err_text(&e));
		check(fs_read(snapshot_fd(s), "srv/new/big", 4000000, &big, &e) == 0 && big.n == 3000003 &&
		      memcmp(big.p + 1000000, "mid", 3) == 0 && memcmp(big.p + 3000000, "end", 3) == 0, "big");
		check(snapshot_take(s, &l, &e) == 0 && layer_seal(&j, t->s, l, &e) == 0, "%s", err_text(&e));
		snapshot_free(s);
		d[i] = *layer_diff_id(l);
		call_done(&k);
		lease_free(lease);
		job_done(&j);
		usleep(1100000 * (i == 0));	/* another second */
	}
	check(digest_eq(&d[0], &d[1]), "the same layer");
}

static void test_glob(void **state UNUSED)
{
	static const struct { const char *pattern, *name; bool match; } globs[] = {
		{ "abc", "abc", true }, { "*", "abc", true }, { "*c", "abc", true }, { "a*", "a", true }, { "a*", "ab", true },
		{ "a*b*c", "axbxbxc", true }, { "a*b?c*x", "abxbbxdbxebxczzx", true }, { "a*b?c*x", "abxbbxdbxebxczzy", false },
		{ "ab[c]", "abc", true }, { "ab[b-d]", "abc", true }, { "ab[e-g]", "abc", false }, { "ab[^c]", "abc", false },
		{ "ab[^e-g]", "abc", true }, { "a\\*b", "a*b", true }, { "a\\*b", "ab", false }, { "a?b", "a\xe2\x98\xba" "b", true },
		{ "a[^a]b", "a\xe2\x98\xba" "b", true }, { "a???b", "a\xe2\x98\xba" "b", false }, { "[a-\xce\xb6]*", "\xce\xb1", true },
		{ "*[a-\xce\xb6]", "A", false }, { "[\\]a]", "]", true }, { "[\\-]", "-", true }, { "[x\\-]", "x", true },
		{ "[x\\-]", "z", false }, { "[\\-x]", "a", false }, { "[]a]", "]", false }, { "[-]", "-", false },
		{ "[x-]", "x", false }, { "[-x]", "x", false }, { "\\", "a", false }, { "[a-b-c]", "a", false }, { "[", "a", false },
		{ "[^", "a", false }, { "[^bc", "a", false }, { "a[", "ab", false }, { "*x", "xxx", true }, { "", "", true }, { "", "a", false },
		{ "?", "", false }, { "**", "abc", true },
	};

	for (size_t i = 0; i < countof(globs); i++)
		check(copy_glob(str_of(globs[i].pattern), str_of(globs[i].name)) == globs[i].match, "%s %s",
		      globs[i].pattern, globs[i].name);
}

int suite_copy(void)
{
	const struct CMUnitTest tests[] = {
#define T(x) cmocka_unit_test_setup_teardown(x, tmp_store_setup, tmp_store_teardown)
		T(test_rules), T(test_digest), T(test_add), T(test_add_plain), T(test_add_hostile), T(test_attributes),
		T(test_same_layer), cmocka_unit_test(test_glob),
#undef T
	};

	return cmocka_run_group_tests_name("copy", tests, NULL, NULL);
}
