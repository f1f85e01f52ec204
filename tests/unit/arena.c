/* SPDX-License-Identifier: Apache-2.0 */
/* base/arena: alignment, zeroing, large objects, formatted text. */
#include "base/arena.h"
#include "tests/unit/unit.h"

static void test_arena_many_sizes(void **state)
{
	(void)state;
	auto_arena struct arena a = { 0 };

	for (size_t n = 0; n < 20000; n = n * 3 + 1) {
		unsigned char *p = arena_alloc(&a, n);

		check((uintptr_t)p % 16 == 0, "size %zu", n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		if (n)
			memset(p, 0xff, n);
	}
}

static void test_arena_text(void **state)
{
	(void)state;
	auto_arena struct arena a = { 0 };
	char *long_text = arena_printf(&a, "%0*d", 9000, 7);

	assert_int_equal(strlen(long_text), 9000);
	check_str(arena_strndup(&a, "hello", 4), "hell");
	check_str(arena_str(&a, STR_LIT("x\0y")).p, "x");
	assert_int_equal(arena_str(&a, STR_LIT("x\0y")).n, 3);
}

int suite_arena(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_many_sizes),
		cmocka_unit_test(test_arena_text),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
