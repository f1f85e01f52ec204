/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms: aliases, variants, and which older variant runs on which newer one. */
#include "image/platform.h"

#include <ctype.h>
#include <stdio.h>

static bool part_set(char ret[static PLATFORM_PART_MAX], struct str s)
{
	if (s.n >= PLATFORM_PART_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		ret[i] = (char)tolower((unsigned char)s.p[i]);
	ret[s.n] = '\0';
	return true;
}

bool platform_of(const char *os, const char *arch, const char *variant, struct platform *ret)
{
	struct platform p = { 0 };

	if (!part_set(p.os, str_of(os)) || !part_set(p.arch, str_of(arch)) ||
	    !part_set(p.variant, str_of(variant)))
		return false;
	platform_normalise(&p);
	*ret = p;
	return true;
}

/* The words of a platform are of letters, digits, "_", "." and "-". */
static bool part_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && !memchr("_.-", s.p[i], 3))
			return false;
	return s.n > 0 && s.n < PLATFORM_PART_MAX;
}

static bool os_known(struct str s)
{
	static const char *const names[] = { "linux", "windows", "darwin", "freebsd", "wasip1", "wasi" };

	for (size_t i = 0; i < countof(names); i++)
		if (str_is_nocase(s, names[i]))
			return true;
	return false;
}

int platform_parse(struct str s, struct platform *ret, struct err *e)
{
	struct str rest = s, part[3] = { 0 };
	struct platform p = { .os = "linux" };
	size_t n = 0;

	while (rest.p && n < 3) {
		part[n] = str_cut(&rest, '/');
		if (!part_ok(part[n++]))
			goto bad;
	}
	if (rest.p || n == 0 || (n == 1 && os_known(part[0])))
		goto bad;
	if (n == 1) {
		(void)part_set(p.arch, part[0]);
	} else {
		(void)part_set(p.os, part[0]);
		(void)part_set(p.arch, part[1]);
		(void)part_set(p.variant, part[2]);
	}
	platform_normalise(&p);
	*ret = p;
	return 0;
bad:
	return err_set(e, ERR_USAGE, "not a platform: \"" STR_FMT "\" (OS/ARCH[/VARIANT], as in linux/arm64)",
		       (int)MIN(s.n, (size_t)80), s.n ? s.p : "");
}

void platform_normalise(struct platform *p)
{
	static const struct { const char *arch, *variant, *to_arch, *to_variant; } alias[] = {
		{ "x86_64", NULL, "amd64", NULL },	{ "x86-64", NULL, "amd64", NULL },
		{ "aarch64", NULL, "arm64", NULL },	{ "i386", NULL, "386", NULL },
		{ "i686", NULL, "386", NULL },		{ "armhf", NULL, "arm", "v7" },
		{ "armel", NULL, "arm", "v6" },		{ "amd64", "v1", "amd64", "" },
		{ "arm64", "v8", "arm64", "" },		{ "arm64", "8", "arm64", "" },
		{ "arm", "", "arm", "v7" },		{ "arm", "5", "arm", "v5" },
		{ "arm", "6", "arm", "v6" },		{ "arm", "7", "arm", "v7" },
		{ "arm", "8", "arm", "v8" },
	};

	if (strcmp(p->os, "macos") == 0)
		snprintf(p->os, sizeof(p->os), "darwin");
	for (size_t i = 0; i < countof(alias); i++) {
		if (strcmp(p->arch, alias[i].arch) != 0 ||
		    (alias[i].variant && strcmp(p->variant, alias[i].variant) != 0))
			continue;
		snprintf(p->arch, sizeof(p->arch), "%s", alias[i].to_arch);
		if (alias[i].to_variant)
			snprintf(p->variant, sizeof(p->variant), "%s", alias[i].to_variant);
	}
}

struct platform platform_host(void)
{
	struct platform p = { .os = "linux" };

#if defined(__x86_64__)
	snprintf(p.arch, sizeof(p.arch), "amd64");
#elif defined(__aarch64__)
	snprintf(p.arch, sizeof(p.arch), "arm64");
#elif defined(__arm__)
	snprintf(p.arch, sizeof(p.arch), "arm");
#elif defined(__i386__)
	snprintf(p.arch, sizeof(p.arch), "386");
#elif defined(__riscv) && __riscv_xlen == 64
	snprintf(p.arch, sizeof(p.arch), "riscv64");
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	snprintf(p.arch, sizeof(p.arch), "ppc64le");
#elif defined(__s390x__)
	snprintf(p.arch, sizeof(p.arch), "s390x");
#elif defined(__loongarch64)
	snprintf(p.arch, sizeof(p.arch), "loong64");
#else
#error "name this architecture as OCI images do"
#endif
	platform_normalise(&p);
	return p;
}

const char *platform_text(const struct platform *p, char ret[static PLATFORM_TEXT_MAX])
{
	snprintf(ret, PLATFORM_TEXT_MAX, "%s/%s%s%s", p->os, p->arch, *p->variant ? "/" : "", p->variant);
	return ret;
}

bool platform_eq(const struct platform *a, const struct platform *b)
{
	return strcmp(a->os, b->os) == 0 && strcmp(a->arch, b->arch) == 0 &&
	       strcmp(a->variant, b->variant) == 0;
}

/* "v7" -> 70, "v8.2" -> 82; arm64 and amd64 without a variant mean v8 and v1. -1: not of that form. */
static int variant_level(const struct platform *p)
{
	const char *v = p->variant;
	int level;

	if (!*v)
		return strcmp(p->arch, "arm64") == 0 ? 80 : strcmp(p->arch, "amd64") == 0 ? 10 : -1;
	if (v[0] != 'v' || v[1] < '0' || v[1] > '9')
		return -1;
	level = (v[1] - '0') * 10;
	if (!v[2])
		return level;
	return v[2] == '.' && v[3] >= '0' && v[3] <= '9' && !v[4] ? level + v[3] - '0' : -1;
}

/* Equal is best, then the nearest older variant, then (arm64 -> arm, amd64 -> 386) the 32-bit relative. */
int platform_match(const struct platform *want, const struct platform *have)
{
	int w = variant_level(want), h = variant_level(have);

	if (strcmp(want->os, have->os) != 0)
		return 0;
	if (strcmp(want->arch, have->arch) == 0) {
		if (strcmp(want->variant, have->variant) == 0)
			return 1000;
		return w >= 0 && h >= 0 && h <= w ? 500 + h : 0;
	}
	if (strcmp(want->arch, "amd64") == 0 && strcmp(have->arch, "386") == 0)
		return 1;
	if (strcmp(want->arch, "arm64") == 0 && strcmp(have->arch, "arm") == 0 && h >= 50 && h <= 80)
		return h;
	return 0;
}
