/* SPDX-License-Identifier: Apache-2.0 */
/* What run, create, start and attach have in common: options, and how notes and failures are printed. */
#ifndef CLI_RUN_OPTS_H
#define CLI_RUN_OPTS_H

#include <stdio.h>

#include "base/event.h"
#include "cli/opt.h"
#include "cli/registry_opts.h"
#include "engine/run.h"

struct run_opts {
	struct run_args r;
	bool quiet;
	struct registry_opts registry;
	struct client_options client;	/* of registry, by run_opts_ready() */
};

#define RUN_ONLY 3		/* rows at the front that create does not have */

extern const struct opt run_opts[];
void run_opts_defaults(void *args);
void run_opts_ready(struct run_opts *a);	/* after parsing */

struct notes {			/* a sink that prints notes and warnings */
	struct sink sink;
	FILE *out;		/* NULL: nothing is told */
};

struct notes notes_to(FILE *out);
void print_failure(FILE *out, const struct err *e);

#endif
