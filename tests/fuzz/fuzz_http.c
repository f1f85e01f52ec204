/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the headers that registries send, and as URLs: what was taken can be taken again. */
#include "registry/challenge.h"
#include "registry/header.h"
#include "registry/scope.h"
#include "registry/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void urls(struct str s)
{
	auto_url struct url base = { 0 }, u = { 0 }, again = { 0 };
	auto_err struct err e = { 0 };
	auto_buf struct buf shown = { 0 };

	if (url_parse(STR_LIT("https://h:5/a/b?c"), &base, &e) < 0)
		abort();
	if (url_join(&base, s, &u, &e) < 0)
		return;
	if (url_parse(str_of(u.text), &again, &e) < 0 || strcmp(u.text, again.text) != 0 || !url_same_origin(&u, &again))
		abort();
	url_redact(&shown, str_of(u.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str s = { (const char *)data, n }, target;
	auto_challenges struct challenges l = { 0 };
	auto_scopes struct scopes have = { 0 }, again = { 0 };
	auto_buf struct buf text = { 0 };
	const struct challenge *c;
	uint64_t wait;

	challenges_add(&l, s);
	c = challenges_pick(&l);
	if (c && c->scope)
		scopes_add(&have, str_of(c->scope));
	scopes_add(&have, s);
	scopes_text(&have, &text);
	scopes_add(&again, buf_view(&text));
	if (!scopes_cover(&again, &have))
		abort();
	(void)!header_retry_after(s, 1700000000, &wait);
	if (header_link_next(s, &target) && (target.p < s.p || target.p + target.n > s.p + s.n))
		abort();
	free(header_warning(s));
	urls(s);
	return 0;
}
