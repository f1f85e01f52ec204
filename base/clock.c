/* SPDX-License-Identifier: Apache-2.0 */
/* Time as text, and back. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#define NS 1000000000LL

static int64_t read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * NS + t.tv_nsec;
}

int64_t clock_now_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

const char *clock_rfc3339(int64_t ns, char ret[static CLOCK_TEXT_MAX])
{
	time_t sec = (time_t)(ns / NS - (ns % NS < 0));
	int64_t frac = ns - (int64_t)sec * NS;
	struct tm tm;
	size_t n;

	gmtime_r(&sec, &tm);
	n = strftime(ret, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	if (frac) {
		n += (size_t)snprintf(ret + n, CLOCK_TEXT_MAX - n, ".%09lld", (long long)frac);
		while (ret[n - 1] == '0')
			n--;
	}
	snprintf(ret + n, CLOCK_TEXT_MAX - n, "Z");
	return ret;
}

/* Exactly n digits at s's start, moved past. */
static bool take_digits(struct str *s, size_t n, int *ret)
{
	uint64_t v;

	if (s->n < n || !str_to_u64(str_sub(*s, 0, n), 10, &v))
		return false;
	*ret = (int)v;
	*s = str_sub(*s, n, s->n);
	return true;
}

static bool take_char(struct str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = str_sub(*s, 1, s->n);
	return true;
}

static bool take_zone(struct str s, int64_t *ret)
{
	int sign, h, m;

	*ret = 0;
	if (str_is_nocase(s, "Z"))
		return true;
	sign = s.n && s.p[0] == '-' ? -1 : 1;
	if (!take_char(&s, '+') && !take_char(&s, '-'))
		return false;
	if (!take_digits(&s, 2, &h) || !take_char(&s, ':') || !take_digits(&s, 2, &m) || s.n)
		return false;
	*ret = sign * (h * 3600 + m * 60);
	return true;
}

bool clock_parse_rfc3339(struct str s, int64_t *ret)
{
	struct tm tm = { 0 };
	int64_t frac = 0, scale = NS, zone, seconds;

	if (!take_digits(&s, 4, &tm.tm_year) || !take_char(&s, '-') ||
	    !take_digits(&s, 2, &tm.tm_mon) || !take_char(&s, '-') ||
	    !take_digits(&s, 2, &tm.tm_mday) || !(take_char(&s, 'T') || take_char(&s, 't')) ||
	    !take_digits(&s, 2, &tm.tm_hour) || !take_char(&s, ':') ||
	    !take_digits(&s, 2, &tm.tm_min) || !take_char(&s, ':') ||
	    !take_digits(&s, 2, &tm.tm_sec))
		return false;
	if (take_char(&s, '.'))
		while (s.n && s.p[0] >= '0' && s.p[0] <= '9') {
			scale /= 10;
			frac += (s.p[0] - '0') * scale;
			s = str_sub(s, 1, s.n);
		}
	if (!take_zone(s, &zone))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	seconds = (int64_t)timegm(&tm) - zone;
	if (__builtin_mul_overflow(seconds, NS, ret) || __builtin_add_overflow(*ret, frac, ret))
		*ret = seconds < 0 ? INT64_MIN : INT64_MAX;
	return true;
}

static bool take_unit(struct str *s, int64_t *ret)
{
	static const struct { const char *name; int64_t ns; } units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "\xc2\xb5s", 1000 }, { "ms", 1000000 },
		{ "s", NS }, { "m", 60 * NS }, { "h", 3600 * NS },
	};

	for (size_t i = 0; i < countof(units); i++)
		if (str_starts(*s, units[i].name)) {
			*s = str_sub(*s, strlen(units[i].name), s->n);
			*ret = units[i].ns;
			return true;
		}
	return false;
}

bool clock_parse_duration(struct str s, int64_t *ret)
{
	int64_t total = 0;
	bool negative = take_char(&s, '-');

	if (!negative)
		(void)take_char(&s, '+');
	if (str_is(s, "0")) {
		*ret = 0;
		return true;
	}
	if (s.n == 0)
		return false;
	while (s.n) {
		double v = 0, place = 1;
		size_t digits = 0;
		int64_t unit;

		for (; s.n && s.p[0] >= '0' && s.p[0] <= '9'; s = str_sub(s, 1, s.n), digits++)
			v = v * 10 + (s.p[0] - '0');
		if (take_char(&s, '.'))
			for (; s.n && s.p[0] >= '0' && s.p[0] <= '9'; s = str_sub(s, 1, s.n), digits++)
				v += (s.p[0] - '0') * (place /= 10);
		if (digits == 0 || !take_unit(&s, &unit) || v * (double)unit > 9e18)
			return false;
		total += (int64_t)(v * (double)unit + 0.5);
		if (total < 0)
			return false;
	}
	*ret = negative ? -total : total;
	return true;
}

const char *clock_ago(int64_t ns, char ret[static CLOCK_TEXT_MAX])
{
	static const struct { int64_t below, s; const char *name, *one; } units[] = {
		{ 1, 1, "", "Less than a second" },
		{ 60, 1, "second", "1 second" },
		{ 3600, 60, "minute", "About a minute" },
		{ 48 * 3600, 3600, "hour", "About an hour" },
		{ 14 * 86400, 86400, "day", "1 day" },
		{ 60 * 86400, 7 * 86400, "week", "1 week" },
		{ 730 * 86400, 30 * 86400, "month", "1 month" },
		{ INT64_MAX, 365 * 86400, "year", "1 year" },
	};
	int64_t s = ns / NS, k;
	size_t i = 0;

	if (s >= 3600)
		s += 1800;	/* hours are rounded */
	while (s >= units[i].below)
		i++;
	k = s / units[i].s;
	if (k <= 1)
		snprintf(ret, CLOCK_TEXT_MAX, "%s ago", units[i].one);
	else
		snprintf(ret, CLOCK_TEXT_MAX, "%lld %ss ago", (long long)k, units[i].name);
	return ret;
}

bool clock_parse_epoch(struct str s, int64_t *ret)
{
	uint64_t v;

	if (!str_to_u64(s, 10, &v) || v > INT64_MAX / NS)
		return false;
	*ret = (int64_t)v;
	return true;
}
