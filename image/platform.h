/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms "os/arch[/variant]": normal form and which image suits which. */
#ifndef IMAGE_PLATFORM_H
#define IMAGE_PLATFORM_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

#define PLATFORM_PART_MAX 32
#define PLATFORM_TEXT_MAX (3 * PLATFORM_PART_MAX)

struct platform {		/* OCI image-spec, image-index.md "platform" */
	char os[PLATFORM_PART_MAX], arch[PLATFORM_PART_MAX];
	char variant[PLATFORM_PART_MAX];	/* "" if there is none */
};

/* "linux/amd64", "linux/arm/v7", "arm64" (the os is then linux): in normal form. Errors: ERR_USAGE. */
NODISCARD int platform_parse(struct str s, struct platform *ret, struct err *e);
/* From the fields of a config or an index; any may be NULL. False if one is too long. */
NODISCARD bool platform_of(const char *os, const char *arch, const char *variant, struct platform *ret);
/* What this program was compiled for. */
struct platform platform_host(void);
/* x86_64 -> amd64, aarch64 -> arm64, armhf -> arm/v7, arm64/v8 -> arm64, amd64/v1 -> amd64 ... */
void platform_normalise(struct platform *p);
const char *platform_text(const struct platform *p, char ret[static PLATFORM_TEXT_MAX]);
bool platform_eq(const struct platform *a, const struct platform *b);
/* How well `have` runs where `want` was asked for: 0 not at all; the greater the better. */
int platform_match(const struct platform *want, const struct platform *have);

#endif
