/* SPDX-License-Identifier: Apache-2.0 */
/* A name of an image, a platform, a user: what is taken must survive being written and read again. */
#include "image/passwd.h"
#include "image/platform.h"
#include "image/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void try_ref(struct str s)
{
	auto_err struct err e = { 0 };
	char a[REF_TEXT_MAX], b[REF_TEXT_MAX];
	struct ref r, again;

	if (ref_parse(s, &r, &e) < 0)
		return;
	if (ref_parse(str_of(ref_canonical(&r, a)), &again, &e) < 0 || strcmp(ref_canonical(&again, b), a) != 0)
		abort();
	if (ref_parse(str_of(ref_familiar(&r, b)), &again, &e) == 0 && strcmp(ref_canonical(&again, b), a) != 0)
		abort();
}

static void try_platform(struct str s)
{
	auto_err struct err e = { 0 };
	char a[PLATFORM_TEXT_MAX];
	struct platform p, again;

	if (platform_parse(s, &p, &e) < 0)
		return;
	if (platform_parse(str_of(platform_text(&p, a)), &again, &e) < 0 || !platform_eq(&p, &again) ||
	    !platform_match(&p, &p))
		abort();
}

/* The first line is the user asked for, the rest both files. */
static void try_user(struct str s)
{
	auto_err struct err e = { 0 };
	struct str spec = str_cut(&s, '\n'), unknown;
	auto_free char *text = str_dup(spec);
	struct passwd_user u;
	uid_t uid;
	gid_t gid;

	if (passwd_lookup(s, s, text, &u, &e) == 0)
		passwd_user_done(&u);
	(void)!passwd_chown(s, s, text, &uid, &gid, &unknown, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str s = { (const char *)data, n };

	try_ref(s);
	try_platform(s);
	try_user(s);
	return 0;
}
