/* SPDX-License-Identifier: Apache-2.0 */
/* What the rooms below cli/ tell: events, sent to a sink that the caller gives. */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include <stdint.h>

#include "base/str.h"

enum event_kind {
	EV_STEP_START,		/* step, name */
	EV_STEP_LOG,		/* step, text: raw output bytes, any split; stream 1 or 2 */
	EV_STEP_BYTES,		/* step, bytes done of total (0: unknown) */
	EV_STEP_DONE,		/* step, state, seconds; text: error if state is STEP_FAILED */
	EV_NOTE,		/* text: one line for the user */
	EV_WARN,		/* text: one line for the user */
};

enum step_state { STEP_DONE, STEP_CACHED, STEP_FAILED, STEP_CANCELLED };

struct event {
	enum event_kind kind;
	int step;		/* number within the job, from 1; 0 if the event is of no step */
	const char *name;	/* borrowed during the call */
	struct str text;	/* borrowed during the call */
	int stream;
	enum step_state state;
	double seconds;
	uint64_t bytes, total;
};

struct sink {			/* send() may be called from any thread */
	void (*send)(struct sink *s, const struct event *ev);
};

void event_send(struct sink *s, const struct event *ev);	/* s may be NULL */
void event_note(struct sink *s, const char *fmt, ...) PRINTF(2, 3);
void event_warn(struct sink *s, const char *fmt, ...) PRINTF(2, 3);

#endif
