/* SPDX-License-Identifier: Apache-2.0 */
/* The error value: a kind to branch on, a message that grows from cause to context. */
#include "base/err.h"

#include <errno.h>
#include <string.h>

int err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;
	char *msg;

	va_start(ap, fmt);
	msg = xvasprintf(fmt, ap);
	va_end(ap);
	err_clear(e);
	e->kind = kind;
	e->msg = msg;
	return -1;
}

int err_sys(struct err *e, const char *fmt, ...)
{
	int sys = errno;
	va_list ap;
	auto_free char *msg = NULL;
	char text[128];

	va_start(ap, fmt);
	msg = xvasprintf(fmt, ap);
	va_end(ap);
	err_clear(e);
	e->kind = sys == ENOENT ? ERR_NOT_FOUND : ERR_SYS;
	e->sys = sys;
	e->msg = xasprintf("%s: %s", msg, strerror_r(sys, text, sizeof(text)));
	if (sys == ENOSPC)
		e->hint = "free some disk space; \"tare gc\" removes what nothing uses";
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	va_list ap;
	auto_free char *outer = NULL;
	char *msg;

	va_start(ap, fmt);
	outer = xvasprintf(fmt, ap);
	va_end(ap);
	msg = xasprintf("%s: %s", outer, err_text(e));
	free(e->msg);
	e->msg = msg;
	if (e->kind == ERR_NONE)
		e->kind = ERR_SYS;
	return -1;
}

int err_hint(struct err *e, const char *hint)
{
	e->hint = hint;
	return -1;
}

int err_at(struct err *e, struct span at)
{
	e->at = at;
	return -1;
}

void err_clear(struct err *e)
{
	free(e->msg);
	*e = (struct err){ 0 };
}

void err_move(struct err *to, struct err *from)
{
	err_clear(to);
	*to = *from;
	*from = (struct err){ 0 };
}

const char *err_text(const struct err *e)
{
	return e->msg ? e->msg : "unknown error";
}
