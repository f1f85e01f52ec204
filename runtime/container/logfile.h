/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's output on disk, as Docker's json-file driver has it: <id>-json.log, one JSON object a line,
 * rotated to <id>-json.log.1 and so on. What is longer than 16 KiB without a newline is several lines, all but the last
 * without one; bytes that are no UTF-8 are kept (buf_json_bytes()).
 */
#ifndef RUNTIME_CONTAINER_LOGFILE_H
#define RUNTIME_CONTAINER_LOGFILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define LOGFILE_LINE ((size_t)16 << 10)

struct logfile;

struct logfile_options {
	bool none;			/* nothing is written */
	uint64_t max_size;		/* bytes of one file; 0: no limit */
	unsigned max_files;		/* with the present one; at least 1 */
};

/* HostConfig.LogConfig: {"Type": "json-file", "Config": {"max-size": "10m"}}. Errors: ERR_USAGE, Docker's words. */
NODISCARD int logfile_options(const json_t *log_config, struct logfile_options *ret, struct err *e);

/* What log-opt labels, env and tag add to each line of this record's container: a JSON object's text, owned; NULL: nothing. */
char *logfile_attrs(const json_t *record);

/* dir: the container's directory, borrowed. The file is made at the first byte. attrs: a JSON object as text for every
 * line's "attrs", copied, or NULL. */
void logfile_new(int dir, const char *id, const struct logfile_options *o, const char *attrs, struct logfile **ret);
/* stream: 1 or 2. A full disk loses lines, but stops no container. */
void logfile_write(struct logfile *l, int stream, struct str bytes);
void logfile_flush(struct logfile *l);		/* what has no newline yet, too */
void logfile_free(struct logfile *l);		/* NULL is fine */

/* "<id>-json.log"; owned */
char *logfile_name(const char *id, unsigned n);	/* n > 0: the n-th older one */

#endif
