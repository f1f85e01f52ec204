/* SPDX-License-Identifier: Apache-2.0 */
/* Images out of the store into an archive and back: save, load, import. */
#ifndef ENGINE_TRANSFER_H
#define ENGINE_TRANSFER_H

#include "registry/archive.h"
#include "registry/local.h"

struct save_args {
	struct strv names;		/* names or IDs, at least one */
	const char *output;		/* a file, replaced when the archive is complete; NULL: write to fd */
	int fd;
	enum archive_format format;
};
/* Errors: ERR_NOT_FOUND (an image), ERR_SYS, ERR_CANCELLED; the output file is then as it was. */
NODISCARD int transfer_save(struct job *j, struct store *s, const struct save_args *a, struct err *e);

/**
 * Load all images of an archive (a file, a pipe, a directory) and its names. All become visible, or none.
 * *ret gets what was loaded; { 0 } before. want NULL: any platform. Errors: archive_origin()'s, local_target()'s.
 */
NODISCARD int transfer_load(struct job *j, struct store *s, int fd, const struct platform *want, struct offers *ret,
			    struct err *e);

struct import_args {
	int fd;				/* a root file system's tar, perhaps compressed */
	const char *source;		/* its name, for the history */
	struct strv changes;		/* Dockerfile instructions for the config */
	const char *message;		/* NULL: "Imported from SOURCE" */
	const struct platform *platform;	/* NULL: the host's */
	const char *name;		/* NULL: untagged */
};
/* Errors: ERR_USAGE (name, change, not a tar), ERR_CORRUPT, ERR_LIMIT, ERR_SYS, ERR_CANCELLED. */
NODISCARD int transfer_import(struct job *j, struct store *s, const struct import_args *a, struct image_row *ret,
			      struct err *e);
/* A copy of base with Dockerfile instructions applied that concern the config alone. Errors: ERR_USAGE. */
NODISCARD int transfer_changes(const struct config *base, const struct strv *changes, struct config **ret, struct err *e);
/* The canonical form of a name for a new image. Errors: ERR_USAGE. */
NODISCARD int transfer_check_name(const char *name, char canonical[static REF_TEXT_MAX], struct err *e);

#endif
