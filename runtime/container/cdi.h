/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices by name ("nvidia.com/gpu=0"), as files in /etc/cdi and /var/run/cdi describe them.
 * Spec: Container Device Interface 1.1.0, SPEC.md.
 */
#ifndef RUNTIME_CONTAINER_CDI_H
#define RUNTIME_CONTAINER_CDI_H

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "runtime/sandbox/spec.h"

struct cdi;

struct cdi_device {		/* borrowed from the struct cdi */
	const char *kind, *name;	/* "nvidia.com/gpu", "0" */
	const json_t *device, *spec;	/* its own object, and the whole of its file */
	const char *file;		/* path, for messages */
	bool conflict;			/* two files of one directory have it: not usable */
};

/**
 * Read *.json and *.yaml of each directory; a later one has priority over an earlier one. A missing directory is no
 * error, nor is a bad file: it is left out, and cdi_problems() tells why.
 * Owner: *ret is the caller's, cdi_free().
 */
void cdi_load(const struct strv *dirs, struct cdi **ret);
void cdi_free(struct cdi *c);			/* NULL is fine */
/* One more file, of lowest priority: what was found on this host. text: JSON. Errors: ERR_USAGE. */
NODISCARD int cdi_add(struct cdi *c, const char *file, const char *text, struct err *e);

size_t cdi_count(const struct cdi *c);
const struct cdi_device *cdi_at(const struct cdi *c, size_t i);	/* sorted by kind, then name */
const struct cdi_device *cdi_find(const struct cdi *c, const char *qualified);	/* NULL: none, or in conflict */
const struct strv *cdi_problems(const struct cdi *c);		/* "file: reason" */

/* "vendor/class=name": does it look like a CDI name at all? */
bool cdi_is_name(const char *text);

struct cdi_edits {		/* { 0 } is a valid empty one; what a spec may borrow until cdi_edits_done() */
	struct arena arena;
	struct strv env;		/* "K=V", the last one of a name only */
	struct spec_device *devices;
	struct spec_mount *mounts;
	struct spec_hook *hooks;
	gid_t *gids;
	size_t ndevices, nmounts, nhooks, ngids;
};

/**
 * What the named devices change in a container: a file's own edits once, then each device's.
 *
 * uid, gid: the container's process: the owner of nodes for which nothing else is said.
 * Errors: ERR_NOT_FOUND "unresolvable CDI devices a, b", ERR_USAGE (what cannot be done), ERR_SYS (a node that is
 *         missing on the host).
 */
NODISCARD int cdi_inject(const struct cdi *c, const struct strv *names, uid_t uid, gid_t gid, struct cdi_edits *ret,
			 struct err *e);
void cdi_edits_done(struct cdi_edits *x);

/* Pure pieces. Is this a whole, sound file? Errors: ERR_USAGE with the reason. */
NODISCARD int cdi_check(const json_t *spec, struct err *e);
/* YAML (or JSON) text as a JSON tree. Errors: ERR_USAGE with line and column, ERR_LIMIT. */
NODISCARD int cdi_parse(struct str text, json_t **ret, struct err *e);

#endif
