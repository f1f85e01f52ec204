/* SPDX-License-Identifier: Apache-2.0 */
/* Words with a type: booleans, durations, ports, signals, kinds of sources, stage names. */
#include "parser/flags.h"

#include <arpa/inet.h>
#include <signal.h>
#include <strings.h>

#include "base/clock.h"
#include "parser/words.h"

bool bool_parse(struct str text, bool *ret)
{
	static const char *const on[] = { "1", "t", "T", "TRUE", "true", "True" };
	static const char *const off[] = { "0", "f", "F", "FALSE", "false", "False" };

	for (size_t i = 0; i < countof(on); i++)
		if (str_is(text, on[i]) || str_is(text, off[i])) {
			*ret = str_is(text, on[i]);
			return true;
		}
	return false;
}

int duration_parse(const char *name, struct str text, int64_t *ret, struct err *e)
{
	int64_t ns;

	if (!clock_parse_duration(text, &ns))
		return err_set(e, ERR_USAGE,
			       "--%s: invalid duration \"" STR_FMT "\"; examples: 500ms, 30s, 1m30s",
			       name, STR_ARG(text));
	if (ns != 0 && ns < 1000000)
		return err_set(e, ERR_USAGE, "Interval \"%s\" cannot be less than 1ms", name);
	*ret = ns;
	return 0;
}

int retries_parse(struct str text, int *ret, struct err *e)
{
	bool negative = text.n && text.p[0] == '-';
	uint64_t v;

	if (!str_to_u64(str_sub(text, negative, text.n), 10, &v) || v > INT32_MAX)
		return err_set(e, ERR_USAGE, "--retries: not a whole number: \"" STR_FMT "\"",
			       STR_ARG(text));
	if (negative && v)
		return err_set(e, ERR_USAGE, "--retries cannot be negative (-%llu)",
			       (unsigned long long)v);
	*ret = (int)v;
	return 0;
}

/* ---- ports: "[ip:][host:]port[-port][/proto]", as Docker's port specifications ---- */

struct port_range { uint64_t first, last; };

static bool range_parse(struct str s, struct port_range *ret)
{
	struct str last = s, first = str_cut(&last, '-');

	if (!str_to_u64(first, 10, &ret->first) || ret->first > 65535)
		return false;
	ret->last = ret->first;
	if (!last.p)
		return true;
	return str_to_u64(last, 10, &ret->last) && ret->last <= 65535 && ret->first <= ret->last;
}

static bool ip_valid(struct str s)
{
	unsigned char addr[16];
	char text[64];

	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_sub(s, 1, s.n - 2);
	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return inet_pton(AF_INET, text, addr) == 1 || inet_pton(AF_INET6, text, addr) == 1;
}

/* Cuts what is behind the last ':' off *s; all of it if there is no ':', *s is then without
 * text. */
static struct str last_part(struct str *s)
{
	struct str r = *s;
	size_t i = s->n;

	while (i && s->p[i - 1] != ':')
		i--;
	r = str_sub(*s, i, s->n);
	*s = i ? str_sub(*s, 0, i - 1) : (struct str){ NULL, 0 };
	return r;
}

static int port_err(struct err *e, struct str text, const char *why)
{
	return err_set(e, ERR_USAGE, "invalid port: \"" STR_FMT "\": %s", STR_ARG(text), why);
}

int port_parse(struct str text, struct strv *ret, bool *mapped, struct err *e)
{
	struct str rest = text, port = last_part(&rest), host = { NULL, 0 }, proto = port;
	struct port_range r, h;
	char name[8];

	port = str_cut(&proto, '/');
	if (rest.p)
		host = last_part(&rest);
	if (!proto.p || proto.n == 0)
		proto = STR_LIT("tcp");
	if (port.n == 0)
		return port_err(e, text, "no port specified");
	if (!str_is_nocase(proto, "tcp") && !str_is_nocase(proto, "udp") &&
	    !str_is_nocase(proto, "sctp"))
		return port_err(e, text, "the protocol must be tcp, udp or sctp");
	if (rest.p && rest.n && !ip_valid(rest))
		return port_err(e, text, "invalid IP address");
	if (!range_parse(port, &r))
		return port_err(e, text, "a port is a number up to 65535, or a range of them");
	if (host.n && !range_parse(host, &h))
		return port_err(e, text, "invalid host port");
	if (host.n && r.first != r.last && h.last - h.first != r.last - r.first)
		return port_err(e, text, "the ranges of host and container ports differ in length");
	for (size_t i = 0; i <= proto.n; i++)
		name[i] = i < proto.n ? (char)(proto.p[i] | 32) : '\0';
	for (uint64_t p = r.first; p <= r.last; p++)
		strv_take(ret, xasprintf("%u/%s", (unsigned)p, name));
	if (mapped)
		*mapped = host.n || rest.n;
	return 0;
}

/* ---- signals ---- */

static const struct { const char *name; int number; } signals[] = {
	{ "HUP", SIGHUP }, { "INT", SIGINT }, { "QUIT", SIGQUIT }, { "ILL", SIGILL },
	{ "TRAP", SIGTRAP },
	{ "ABRT", SIGABRT }, { "IOT", SIGABRT }, { "BUS", SIGBUS }, { "FPE", SIGFPE },
	{ "KILL", SIGKILL },
	{ "USR1", SIGUSR1 }, { "SEGV", SIGSEGV }, { "USR2", SIGUSR2 }, { "PIPE", SIGPIPE },
	{ "ALRM", SIGALRM },
	{ "TERM", SIGTERM }, { "STKFLT", SIGSTKFLT }, { "CHLD", SIGCHLD }, { "CLD", SIGCHLD },
	{ "CONT", SIGCONT }, { "STOP", SIGSTOP }, { "TSTP", SIGTSTP }, { "TTIN", SIGTTIN },
	{ "TTOU", SIGTTOU },
	{ "URG", SIGURG }, { "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ }, { "VTALRM", SIGVTALRM },
	{ "PROF", SIGPROF }, { "WINCH", SIGWINCH }, { "IO", SIGIO }, { "POLL", SIGIO },
	{ "PWR", SIGPWR },
	{ "SYS", SIGSYS },
};

#define RT_MIN 34	/* as the C library numbers them: the first two are its own */
#define RT_MAX 64

static struct str signal_name(struct str s)
{
	return s.n > 3 && strncasecmp(s.p, "SIG", 3) == 0 ? str_sub(s, 3, s.n) : s;
}

/* "RTMIN", "RTMIN+3", "RTMAX-2" */
static bool realtime_parse(struct str s, int *ret)
{
	bool min = s.n >= 5 && strncasecmp(s.p, "RTMIN", 5) == 0;
	bool max = s.n >= 5 && strncasecmp(s.p, "RTMAX", 5) == 0;
	uint64_t n = 0;

	if (!min && !max)
		return false;
	if (s.n > 5 && (s.p[5] != (min ? '+' : '-') || !str_to_u64(str_sub(s, 6, s.n), 10, &n) ||
			n > (min ? 15 : 14)))
		return false;
	*ret = min ? RT_MIN + (int)n : RT_MAX - (int)n;
	return true;
}

int signal_parse(struct str text, int *ret, struct err *e)
{
	struct str name = signal_name(text);
	uint64_t n;

	if (str_to_u64(text, 10, &n) && n >= 1 && n <= RT_MAX) {
		*ret = (int)n;
		return 0;
	}
	for (size_t i = 0; i < countof(signals); i++)
		if (str_is_nocase(name, signals[i].name)) {
			*ret = signals[i].number;
			return 0;
		}
	if (realtime_parse(name, ret))
		return 0;
	return err_set(e, ERR_USAGE, "invalid signal: " STR_FMT, STR_ARG(text));
}

const char *signal_guess(struct str text)
{
	const char *names[countof(signals) + 1] = { NULL };

	for (size_t i = 0; i < countof(signals); i++)
		names[i] = signals[i].name;
	return str_nearest(signal_name(text), names);
}

/* ---- others ---- */

/* Has the URL's path ".git" at its end, where "#ref:dir" and "?query" do not count? */
static bool is_git_path(struct str s)
{
	ptrdiff_t end = str_find(s, '#');

	if (end >= 0)
		s.n = (size_t)end;
	end = str_find(s, '?');
	if (end >= 0)
		s.n = (size_t)end;
	return str_ends(s, ".git");
}

enum copy_source copy_source_kind(struct str text)
{
	if (str_starts(text, "http://") || str_starts(text, "https://"))
		return is_git_path(text) ? SOURCE_GIT : SOURCE_HTTP;
	if (str_starts(text, "git://") || str_starts(text, "ssh://"))
		return SOURCE_GIT;
	if (str_starts(text, "git@") && str_find(text, ':') > 4)
		return SOURCE_GIT;
	return SOURCE_LOCAL;
}

bool stage_name_valid(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i], low = (char)(c | 32);
		bool letter = low >= 'a' && low <= 'z' && (c & 0x40);

		if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-' || c == '_' ||
					    c == '.')))
			return false;
	}
	return name.n > 0;
}
