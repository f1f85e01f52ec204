/* SPDX-License-Identifier: Apache-2.0 */
/* For engine/run: mounts as a user gave them, opened for the sandbox; volumes made and filled. */
#ifndef ENGINE_RUN_VOLUME_H
#define ENGINE_RUN_VOLUME_H

#include "base/task.h"
#include "engine/run_mount.h"

struct store;

struct run_sources {		/* { 0 } is a valid empty one */
	struct spec_mount *v;	/* borrows from the run_mounts */
	size_t n;
};

/* Anonymous volumes get their names. */
void run_volumes_name(struct run_mounts *l);
/**
 * Open all. A missing host directory is made, as Docker does for -v; a volume too, and an empty one is filled with what
 * the image (beneath root) has at its place. Errors: ERR_SYS, copy_run()'s.
 */
NODISCARD int run_sources_open(struct job *j, struct store *s, const struct run_mounts *l, int root,
			       struct run_sources *ret, struct err *e);
void run_sources_close(struct run_sources *s);
/* The anonymous ones; what is missing is no error. */
NODISCARD int run_volumes_remove(struct store *s, const struct strv *names, struct err *e);

#endif
