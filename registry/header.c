/* SPDX-License-Identifier: Apache-2.0 */
/* Parsers of header values: total functions on hostile text. */
#include "registry/header.h"

#include <ctype.h>

#define DAY 86400

bool header_token_char(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

char *header_quoted(struct str *s)
{
	auto_buf struct buf b = { 0 };

	if (s->n == 0 || s->p[0] != '"')
		return NULL;
	for (size_t i = 1; i < s->n; i++) {
		if (s->p[i] == '"') {
			*s = str_sub(*s, i + 1, s->n);
			return buf_take(&b);
		}
		if (s->p[i] == '\\' && i + 1 < s->n)
			i++;
		buf_putc(&b, s->p[i] ? s->p[i] : ' ');
	}
	return NULL;
}

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t days(int64_t y, int64_t m, int64_t d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = y / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

struct date {
	uint64_t year, month, day, hour, minute, second;
};

static bool take_month(struct str s, uint64_t *ret)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	for (uint64_t i = 0; i < 12 && s.n == 3; i++)
		if (strncasecmp(names + 3 * i, s.p, 3) == 0) {
			*ret = i + 1;
			return true;
		}
	return false;
}

static bool take_time(struct str s, struct date *d)
{
	struct str h = str_cut(&s, ':'), m = str_cut(&s, ':');

	return h.n == 2 && m.n == 2 && s.n == 2 && str_to_u64(h, 10, &d->hour) && str_to_u64(m, 10, &d->minute) &&
		str_to_u64(s, 10, &d->second) && d->hour < 24 && d->minute < 60 && d->second < 61;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" */
bool header_date(struct str s, int64_t *ret)
{
	struct str w[6] = { { 0 } };
	struct date d = { 0 };
	size_t n = 0;
	bool comma = false, ok;

	while (s.p && s.n > 0) {
		size_t len = 0;

		while (len < s.n && s.p[len] != ' ' && s.p[len] != ',' && s.p[len] != '-')
			len++;
		comma |= len < s.n && s.p[len] == ',';
		if (len > 0 && n == countof(w))
			return false;
		if (len > 0)
			w[n++] = str_sub(s, 0, len);
		s = str_sub(s, len + 1, s.n);
	}
	if (comma)
		ok = n == 6 && str_is(w[5], "GMT") && str_to_u64(w[1], 10, &d.day) && take_month(w[2], &d.month) &&
			str_to_u64(w[3], 10, &d.year) && take_time(w[4], &d);
	else
		ok = n == 5 && take_month(w[1], &d.month) && str_to_u64(w[2], 10, &d.day) && take_time(w[3], &d) &&
			str_to_u64(w[4], 10, &d.year);
	if (!ok || d.day < 1 || d.day > 31 || d.year > 9999)
		return false;
	if (comma && w[3].n == 2)
		d.year += d.year < 70 ? 2000 : 1900;
	*ret = days((int64_t)d.year, (int64_t)d.month, (int64_t)d.day) * DAY +
		(int64_t)(d.hour * 3600 + d.minute * 60 + d.second);
	return true;
}

bool header_retry_after(struct str value, int64_t now, uint64_t *ret)
{
	int64_t at;

	value = str_trim(value);
	if (str_to_u64(value, 10, ret))
		return true;
	if (!header_date(value, &at) || at <= now)
		return false;
	*ret = (uint64_t)(at - now);
	return true;
}

/* "; rel=next; x=\"y\"": is one of these parameters rel with the word next? Moves past them, to "," or the end. */
static bool take_params(struct str *s)
{
	bool next = false;

	for (;;) {
		struct str key;
		auto_free char *value = NULL;
		size_t n = 0;

		*s = str_trim(*s);
		if (s->n == 0 || s->p[0] != ';')
			return next;
		*s = str_trim(str_sub(*s, 1, s->n));
		while (n < s->n && header_token_char(s->p[n]))
			n++;
		key = str_sub(*s, 0, n);
		*s = str_trim(str_sub(*s, n, s->n));
		if (s->n == 0 || s->p[0] != '=')
			continue;
		*s = str_trim(str_sub(*s, 1, s->n));
		value = header_quoted(s);
		if (!value) {
			for (n = 0; n < s->n && !strchr(";, \t", s->p[n]); n++)
				;
			value = str_dup(str_sub(*s, 0, n));
			*s = str_sub(*s, n, s->n);
		}
		if (str_is_nocase(key, "rel"))
			for (struct str rest = str_of(value); rest.p;)
				next |= str_is_nocase(str_cut(&rest, ' '), "next");
	}
}

bool header_link_next(struct str s, struct str *ret)
{
	for (;;) {
		struct str target;
		ptrdiff_t end;

		s = str_trim(s);
		if (s.n == 0 || s.p[0] != '<' || (end = str_find(s, '>')) < 0)
			return false;
		target = str_sub(s, 1, (size_t)end - 1);
		s = str_sub(s, (size_t)end + 1, s.n);
		if (take_params(&s)) {
			*ret = target;
			return true;
		}
		if (s.n == 0 || s.p[0] != ',')
			return false;
		s = str_sub(s, 1, s.n);
	}
}

char *header_warning(struct str value)
{
	static const char head[] = "299 - ";

	value = str_trim(value);
	if (!str_starts(value, head))
		return NULL;
	value = str_trim(str_sub(value, sizeof(head) - 1, value.n));
	return header_quoted(&value);
}
