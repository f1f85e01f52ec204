/* SPDX-License-Identifier: Apache-2.0 */
/* Sending events. */
#include "base/event.h"


void event_send(struct sink *s, const struct event *ev)
{
	if (s)
		s->send(s, ev);
}

static void send_text(struct sink *s, enum event_kind kind, const char *fmt, va_list ap)
{
	auto_free char *text = xvasprintf(fmt, ap);

	event_send(s, &(struct event){ .kind = kind, .text = str_of(text) });
}

void event_note(struct sink *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	send_text(s, EV_NOTE, fmt, ap);
	va_end(ap);
}

void event_warn(struct sink *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	send_text(s, EV_WARN, fmt, ap);
	va_end(ap);
}
