/* SPDX-License-Identifier: Apache-2.0 */
/* Detach keys. */
#include "runtime/container/detach.h"

static bool key_parse(struct str s, char *ret)
{
	char c;

	if (s.n == 1) {
		*ret = s.p[0];
		return true;
	}
	if (s.n != 6 || !str_starts(s, "ctrl-"))
		return false;
	c = s.p[5];
	if (c >= 'a' && c <= 'z')
		*ret = (char)(c - 'a' + 1);
	else if (c == '@' || (c >= '[' && c <= '_'))
		*ret = (char)(c - '@');
	else
		return false;
	return true;
}

int detach_parse(const char *text, struct detach *ret, struct err *e)
{
	struct str rest = str_of(text ? text : "ctrl-p,ctrl-q");
	struct detach d = { 0 };

	while (rest.n) {
		struct str key = str_cut(&rest, ',');

		if (d.n == DETACH_KEYS || !key_parse(key, &d.keys[d.n])) {
			err_set(e, ERR_USAGE, "invalid detach keys (%s): unknown character: '" STR_FMT "'", text, STR_ARG(key));
			return err_hint(e, "keys are letters or ctrl-x, with commas between them");
		}
		d.n++;
	}
	*ret = d;
	return 0;
}

bool detach_feed(struct detach *d, struct str typed, struct buf *ret)
{
	for (size_t i = 0; i < typed.n; i++) {
		char c = typed.p[i];

		if (d->n && c == d->keys[d->at]) {
			if (++d->at == d->n) {
				d->at = 0;
				return true;
			}
			continue;
		}
		buf_add(ret, d->keys, d->at);
		d->at = d->n && c == d->keys[0] ? 1 : 0;
		if (!d->at)
			buf_putc(ret, c);
	}
	return false;
}
