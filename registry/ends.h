/* SPDX-License-Identifier: Apache-2.0 */
/* What a command line calls an end of a copy, and the ends that are no registry. */
#ifndef REGISTRY_ENDS_H
#define REGISTRY_ENDS_H

#include "registry/wire.h"

struct image_row;
struct store;

enum end_kind { END_REGISTRY, END_STORE, END_LAYOUT, END_OCI_ARCHIVE, END_DOCKER_ARCHIVE };

struct end {			/* { 0 } is a valid empty one */
	enum end_kind kind;
	char *what;		/* the reference, the image's name or ID, the path */
	char *tag;		/* behind the path; NULL: none */
};
void end_done(struct end *e);
#define auto_end __attribute__((cleanup(end_done)))

/* "host/path:tag" and "docker://...", "store:NAME", "oci:DIR[:TAG]", "oci-archive:FILE[:TAG]", "docker-archive:FILE".
 * Errors: ERR_USAGE. */
NODISCARD int end_parse(const char *s, struct end *ret, struct err *e);

/* An OCI layout to read: a directory or an uncompressed archive (fd borrowed, a directory's is duplicated). tag NULL: the
 * only image there is. Errors: ERR_CORRUPT, ERR_SYS. */
NODISCARD int layout_source(struct job *j, int fd, const char *tag, struct wire **ret, struct err *e);
/* An OCI layout's directory to add to, made if it is missing. Another image that bore the tag stays, without a name. */
NODISCARD int layout_target(const char *path, const char *tag, struct wire **ret, struct err *e);
/* An OCI archive, written to fd (borrowed) in one go. */
struct wire *layout_archive(int fd, const char *tag);
/* An image of the store, its layers uncompressed. */
struct wire *store_source(struct store *s, const struct image_row *row);

#endif
