/* SPDX-License-Identifier: Apache-2.0 */
/* builder/why: each kind of change is named; steps are found again when lines were added above. */
#include "builder/why.h"

#include <stdio.h>
#include <sys/stat.h>

#include "cache/db.h"
#include "cache/listing.h"
#include "tests/unit/tmp_store.h"
#include "tests/unit/unit.h"

#define STEPS 5
#define INPUTS 4

struct row {			/* a step of a made-up build; name NULL: no more */
	const char *stage, *name;
	unsigned key;		/* 0: that of the named inputs and of the step before in the stage */
	enum build_state state;
	const char *note;
	struct key_input in[INPUTS];
};

/* A key as the builder would make it: from the inputs and the key of the step above. */
static struct digest row_key(const struct row *r, const struct digest *above)
{
	struct hasher h;

	if (r->key)
		return tmp_digest(r->key);
	hasher_init(&h, HASH_SHA256);
	hasher_update(&h, above->b, 32);
	hasher_cstr(&h, r->name);
	for (size_t i = 0; i < INPUTS && r->in[i].name; i++) {
		hasher_cstr(&h, r->in[i].name);
		hasher_cstr(&h, r->in[i].value);
	}
	return digest_final(&h);
}

static void record(struct tmp_store *t, const struct row rows[static STEPS])
{
	auto_err struct err e = { 0 };
	struct digest above = { 0 };
	struct build_record *b;

	assert_int_equal(build_begin(t->s, "/src", "/src/Dockerfile", NULL, &b, &e), 0);
	for (unsigned i = 0, at = 0; i < STEPS && rows[i].name; i++) {
		bool new_stage = i == 0 || strcmp(rows[i].stage, rows[i - 1].stage) != 0;
		struct digest none = { 0 };
		char slot[64], name[80];
		struct build_step st = { .index = i + 1, .name = name, .slot = slot, .line = 10 * (i + 1),
					 .line_end = 10 * (i + 1), .state = rows[i].state, .note = rows[i].note,
					 .inputs = rows[i].in };

		at = new_stage ? 1 : at + 1;
		while (st.ninputs < INPUTS && rows[i].in[st.ninputs].name)
			st.ninputs++;
		snprintf(slot, sizeof(slot), "/src|/src/Dockerfile|%s|%u", rows[i].stage, at);
		snprintf(name, sizeof(name), "[%s %u/9] %s", rows[i].stage, at, rows[i].name);
		above = st.key = row_key(&rows[i], new_stage ? &none : &above);
		build_step(b, &st);
	}
	check(build_end(b, "ok", NULL, &e) == 0, "%s", err_text(&e));
}

static void check_reason(struct tmp_store *t, const char *what, unsigned step, enum why_cause cause, const char *text)
{
	auto_err struct err e = { 0 };
	auto_buf struct buf got = { 0 };
	struct why w = { 0 };

	check(why_load(t->s, NULL, &w, &e) == 0, "%s: %s", what, err_text(&e));
	check(step <= w.n, "%s", what);
	why_text(&w, &w.v[step - 1], &got);
	check(w.v[step - 1].cause == cause && strcmp(buf_view(&got).p, text) == 0, "%s: %d %s", what, w.v[step - 1].cause,
	      buf_view(&got).p);
	why_done(&w);
}

#define FROM { "0", "FROM a", 0, BUILD_HIT, NULL, { { "base", "a sha256:01" } } }
#define RUN(state) { "0", "RUN make", 0, state, NULL, { { "instruction", "RUN make" }, { "env V", "1" } } }
#define LAST(state) { "0", "RUN last", 0, state, NULL, { { "instruction", "RUN last" } } }

static const struct {
	const char *what;
	struct row before[STEPS], after[STEPS];
	unsigned step;
	enum why_cause cause;
	const char *text;
} reasons[] = {
	{ "nothing differs", { FROM, RUN(BUILD_MISS) }, { FROM, RUN(BUILD_HIT) }, 2, WHY_CACHED, "" },
	{ "a value", { FROM, RUN(BUILD_MISS) },
	  { FROM, { "0", "RUN make", 0, BUILD_MISS, NULL, { { "instruction", "RUN make" }, { "env V", "2" } } } },
	  2, WHY_INPUT, "env V was \"1\", is \"2\"" },
	{ "a new one", { FROM, RUN(BUILD_MISS) },
	  { FROM, { "0", "RUN make", 0, BUILD_MISS, NULL,
		    { { "instruction", "RUN make" }, { "env A", "" }, { "env V", "1" } } } },
	  2, WHY_INPUT, "env A is new: \"\"" },
	{ "one that is gone", { FROM, RUN(BUILD_MISS) },
	  { FROM, { "0", "RUN make", 0, BUILD_MISS, NULL, { { "instruction", "RUN make" } } } },
	  2, WHY_INPUT, "env V is gone, it was \"1\"" },
	{ "the same name twice",
	  { FROM, { "0", "COPY a b", 0, BUILD_MISS, NULL, { { "file", "1" }, { "file", "2" } } } },
	  { FROM, { "0", "COPY a b", 0, BUILD_MISS, NULL, { { "file", "1" }, { "file", "3" } } } },
	  2, WHY_INPUT, "file was \"2\", is \"3\"" },
	{ "the instruction", { FROM, RUN(BUILD_MISS) },
	  { FROM, { "0", "RUN make all", 0, BUILD_MISS, NULL, { { "instruction", "RUN make all" } } } },
	  2, WHY_INPUT, "instruction was \"RUN make\", is \"RUN make all\"" },
	{ "the base", { FROM, RUN(BUILD_MISS) },
	  { { "0", "FROM a", 0, BUILD_HIT, NULL, { { "base", "a sha256:02" } } }, RUN(BUILD_MISS) },
	  2, WHY_STEP, "it builds on step 1, which changed: [0 1/9] FROM a" },
	{ "a step further up", { FROM, RUN(BUILD_MISS), LAST(BUILD_MISS) },
	  { { "0", "FROM a", 0, BUILD_HIT, NULL, { { "base", "a sha256:02" } } }, RUN(BUILD_MISS), LAST(BUILD_MISS) },
	  3, WHY_STEP, "it builds on step 1, which changed: [0 1/9] FROM a" },
	{ "a new step", { FROM, LAST(BUILD_MISS) }, { FROM, RUN(BUILD_MISS), LAST(BUILD_MISS) },
	  2, WHY_FIRST, "first build of this step" },
	{ "below a new step", { FROM, LAST(BUILD_MISS) }, { FROM, RUN(BUILD_MISS), LAST(BUILD_MISS) },
	  3, WHY_STEP, "it builds on step 2, which changed: [0 2/9] RUN make" },
	{ "below a removed step", { FROM, RUN(BUILD_MISS), LAST(BUILD_MISS) }, { FROM, LAST(BUILD_MISS) },
	  2, WHY_STEP, "a step above it was added or removed" },
	{ "asked for", { FROM, RUN(BUILD_MISS) },
	  { FROM, { "0", "RUN make", 0, BUILD_MISS, "--no-cache", { { "instruction", "RUN make" }, { "env V", "1" } } } },
	  2, WHY_ASKED, "nothing differs; asked for by --no-cache" },
	{ "it had failed", { FROM, RUN(BUILD_FAILED) }, { FROM, RUN(BUILD_MISS) },
	  2, WHY_UNFINISHED, "nothing differs; it did not end well in the earlier build" },
	{ "its layer was removed", { FROM, RUN(BUILD_MISS) }, { FROM, RUN(BUILD_MISS) },
	  2, WHY_GONE, "nothing differs; its result was no longer in the store" },
	{ "not reached", { FROM, RUN(BUILD_MISS) }, { FROM, RUN(BUILD_CANCELLED) },
	  2, WHY_NOT_RUN, "not run: the build ended before it" },
	{ "another stage", { { "b", "RUN x", 1, BUILD_MISS, NULL, { { "env V", "1" } } },
			     { "0", "COPY --from=b", 2, BUILD_MISS, NULL, { { "file", "1" } } } },
	  { { "b", "RUN x", 3, BUILD_MISS, NULL, { { "env V", "2" } } },
	    { "0", "COPY --from=b", 4, BUILD_MISS, NULL, { { "file", "1" } } } },
	  2, WHY_STEP, "a stage that it reads changed" },
};

static void test_reasons(void **state)
{
	for (size_t i = 0; i < countof(reasons); i++) {
		tmp_store_setup(state);
		struct tmp_store *t = *state;

		record(t, reasons[i].before);
		check_reason(t, reasons[i].what, 1, reasons[i].before[0].state == BUILD_HIT ? WHY_CACHED : WHY_FIRST,
			     reasons[i].before[0].state == BUILD_HIT ? "" : "first build of this step");
		record(t, reasons[i].after);
		check_reason(t, reasons[i].what, reasons[i].step, reasons[i].cause, reasons[i].text);
		tmp_store_teardown(state);
	}
}

static const char *tree(struct tmp_store *t, uint32_t mode, unsigned content, char ret[static 100])
{
	auto_err struct err e = { 0 };
	auto_buf struct buf b = { 0 };
	struct listing_entry l = { .type = S_IFREG, .mode = mode, .name = STR_LIT("main.py") };
	char text[DIGEST_TEXT_MAX];
	struct digest d = tmp_digest(content);

	memcpy(l.digest, d.b, sizeof(l.digest));
	listing_add(&b, &l);
	d = digest_of(b.p, b.n);
	assert_int_equal(trees_put(t->s, &d, buf_view(&b), &e), 0);
	snprintf(ret, 100, "tree %s", digest_text(&d, text));
	return ret;
}

/* A difference between listings names the file. */
static void test_file(void **state)
{
	struct tmp_store *t = *state;
	char was[100], is[100];
	struct row rows[STEPS] = { FROM, { "0", "COPY . .", 0, BUILD_MISS, NULL,
					   { { "instruction", "COPY . ." }, { "file .", tree(t, 0644, 1, was) } } } };
	auto_err struct err e = { 0 };
	struct why w = { 0 };

	record(t, rows);
	rows[1].in[1].value = tree(t, 0755, 1, is);
	record(t, rows);
	assert_int_equal(why_load(t->s, NULL, &w, &e), 0);
	assert_int_equal(w.v[1].cause, WHY_INPUT);
	check_str(w.v[1].name, "file .");
	check(w.v[1].detail && strstr(w.v[1].detail, "main.py") && strstr(w.v[1].detail, "644") &&
	      strstr(w.v[1].detail, "755"), "%s", w.v[1].detail);
	check_str(w.v[1].before, was);
	check_str(w.v[1].after, is);
	assert_int_equal(w.v[1].inputs.n, 2);
	why_done(&w);
}

static void test_long_value(void **state)
{
	struct tmp_store *t = *state;
	static char longer[400];
	struct row rows[STEPS] = { FROM, { "0", "RUN x", 0, BUILD_MISS, NULL, { { "env V", "\xc3\xa9\n\"" } } } };
	auto_buf struct buf got = { 0 };
	auto_err struct err e = { 0 };
	struct why w = { 0 };

	memset(longer, 'x', 99);
	memcpy(longer + 99, "\xc3\xa9\xc3\xa9", 5);
	record(t, rows);
	rows[1].in[0].value = longer;
	record(t, rows);
	assert_int_equal(why_load(t->s, NULL, &w, &e), 0);
	why_text(&w, &w.v[1], &got);
	longer[99] = '\0';
	auto_free char *want = xasprintf("env V was \"\xc3\xa9\\n\\\"\", is \"%s\"...", longer);
	check_str(got.p, want);
	why_done(&w);
}

static void test_which(void **state)
{
	struct tmp_store *t = *state;
	auto_err struct err e = { 0 };
	static const struct row rows[STEPS] = { FROM };
	struct why w = { 0 };

	assert_int_equal(why_load(t->s, NULL, &w, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	record(t, rows);
	assert_int_equal(why_load(t->s, NULL, &w, &e), 0);
	auto_free char *id = xstrndup(w.build.id, 6);
	why_done(&w);
	record(t, rows);
	assert_int_equal(why_load(t->s, id, &w, &e), 0);
	assert_true(str_starts(str_of(w.build.id), id));
	why_done(&w);
	assert_int_equal(why_load(t->s, "nobuild", &w, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

int suite_why(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),
		cmocka_unit_test_setup_teardown(test_file, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_long_value, tmp_store_setup, tmp_store_teardown),
		cmocka_unit_test_setup_teardown(test_which, tmp_store_setup, tmp_store_teardown),
	};

	return cmocka_run_group_tests_name("why", tests, NULL, NULL);
}
