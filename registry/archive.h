/* SPDX-License-Identifier: Apache-2.0 */
/* Image archives, docker-archive and oci-archive, and OCI layout directories, as ends of a copy. */
#ifndef REGISTRY_ARCHIVE_H
#define REGISTRY_ARCHIVE_H

#include "registry/transport.h"

struct lease;

/**
 * An archive to read: a file, a pipe, a directory, compressed or not, of whatever dialect.
 *
 * What cannot be read in any order (a pipe, something compressed) is first written, uncompressed, to a nameless
 * file in the lease's directory. want (may be NULL: any platform) is borrowed until origin_free(), as are fd and the lease.
 * Errors: ERR_CORRUPT, ERR_LIMIT, ERR_SYS, ERR_CANCELLED.
 */
NODISCARD int archive_origin(struct job *j, struct lease *l, int fd, const struct platform *want,
			     struct origin **ret, struct err *e);

/* Of an OCI layout only what has the tag (borrowed; NULL: all); nameless: the images come without their names. */
void archive_select(struct origin *o, const char *tag, bool nameless);

enum archive_format { ARCHIVE_DOCKER, ARCHIVE_OCI };
/* "docker-archive" or "oci-archive". Errors: ERR_USAGE. */
NODISCARD int archive_format_parse(const char *s, enum archive_format *ret, struct err *e);

/**
 * An archive to write to fd (borrowed), which need not be seekable: metadata first, then layers, uncompressed.
 * The same images give the same bytes. ARCHIVE_DOCKER is the dialect of Docker 25: an OCI layout with manifest.json.
 */
struct target *archive_target(int fd, enum archive_format format);

#endif
