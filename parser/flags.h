/* SPDX-License-Identifier: Apache-2.0 */
/* Words with a type: RUN --mount, --chmod, durations, ports, signals, kinds of COPY sources. */
#ifndef PARSER_FLAGS_H
#define PARSER_FLAGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* ---- RUN --mount=type=...,k=v,... (spec 1.6); flags_mount.c ---- */

enum mount_type { MOUNT_BIND, MOUNT_CACHE, MOUNT_TMPFS, MOUNT_SECRET, MOUNT_SSH };
enum mount_sharing { SHARING_SHARED, SHARING_PRIVATE, SHARING_LOCKED };

struct run_mount {		/* strings live in the arena; "" if not given */
	enum mount_type type;
	const char *from, *source;
	const char *target;	/* as written: may be relative to WORKDIR, may be "" */
	const char *id, *env;
	bool has_env;
	bool readonly;		/* default: true for bind, false for others */
	bool required;		/* secret, ssh */
	enum mount_sharing sharing;
	uint64_t size;		/* tmpfs, bytes; 0: no limit given */
	bool has_mode, has_uid, has_gid;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/* Expands one value into the arena; returns 0 or -1. */
typedef int (*value_expand)(void *arg, struct str raw, struct arena *a, const char **ret,
			    struct err *e);

/* expand NULL: the values are taken as they are. Keys are order-sensitive: type gates size and
 * required. Errors: ERR_USAGE. */
NODISCARD int mount_parse(struct str text, value_expand expand, void *arg, struct arena *a,
			  struct run_mount *ret,
			  struct err *e);
/* Absolute target of a mount: joined to cwd, cleaned, defaults of secret ("/run/secrets/ID", none
 * with env alone: ret ""), ssh ("/run/buildkit/ssh_agent.<index>"). Errors: ERR_USAGE for "/". */
NODISCARD int mount_target(const struct run_mount *m, const char *cwd, unsigned index,
			   struct arena *a,
			   const char **ret, struct err *e);
/* The id: of a cache its cleaned target, of a secret the last part of its target, of ssh
 * "default". */
const char *mount_id(const struct run_mount *m, const char *target, struct arena *a);
const char *mount_type_name(enum mount_type t);
const char *mount_sharing_name(enum mount_sharing s);

/* ---- RUN --device=[name=]vendor/class[=device][,required] (spec 1.6); flags_mount.c ---- */

struct run_device {
	const char *name;	/* as written: "vendor/class=device", "vendor/class", "vendor/class=*", or a class's word */
	bool required;		/* else a missing one is no error */
};

/* Errors: ERR_USAGE. */
NODISCARD int device_parse(struct str text, struct arena *a, struct run_device *ret, struct err *e);

/* ---- COPY/ADD --chmod: octal, or the BSD setmode grammar with umask 0; flags_chmod.c ---- */

#define CHMOD_STEPS 64

struct chmod_step {		/* one step of "ug+rX,o=u", in the order of the text */
	char cmd;		/* '+' '-'; 'X': + if directory or any x at the start; 'u' 'g' 'o': copy */
	mode_t bits;
	mode_t to;		/* copy: the triples that change, of S_IRWXU, S_IRWXG, S_IRWXO */
	bool set, clear;	/* copy: "+" sets, "-" clears, "=" does both */
};

struct chmod_spec {
	bool octal;
	mode_t mode;		/* octal: all twelve bits */
	struct chmod_step steps[CHMOD_STEPS];
	size_t n;
};

/* Errors: ERR_USAGE "invalid chmod parameter: '64a'. it should be octal string and between 0 and
 * 07777". */
NODISCARD int chmod_parse(struct str text, struct chmod_spec *ret, struct err *e);
/* The new permission bits (07777) of something with these; the file type's bits of mode are
 * kept. */
mode_t chmod_apply(const struct chmod_spec *c, mode_t mode, bool is_dir);

/* ---- others; flags.c ---- */

/* Go's strconv.ParseBool: 1 t T TRUE true True, 0 f F FALSE false False. */
NODISCARD bool bool_parse(struct str text, bool *ret);
/* HEALTHCHECK --interval and so on: ns, 0 or at least 1 ms; name is the flag's, for the message. */
NODISCARD int duration_parse(const char *name, struct str text, int64_t *ret, struct err *e);
/* HEALTHCHECK --retries: from 0 on. */
NODISCARD int retries_parse(struct str text, int *ret, struct err *e);
/* One expanded EXPOSE word, "[ip:][host:]port[-port][/proto]": appends "port/proto" for each port.
 * *mapped (may be NULL) is set if it named an address or a host port. Errors: ERR_USAGE. */
NODISCARD int port_parse(struct str text, struct strv *ret, bool *mapped, struct err *e);
/* A STOPSIGNAL: "9", "KILL", "SIGKILL", "SIGRTMIN+3", case folded. *ret is its number. Errors:
 * ERR_USAGE. */
NODISCARD int signal_parse(struct str text, int *ret, struct err *e);
const char *signal_guess(struct str text);		/* a name like it, or NULL */

/* What a COPY or ADD source is, once expanded. */
enum copy_source { SOURCE_LOCAL, SOURCE_HTTP, SOURCE_GIT };
enum copy_source copy_source_kind(struct str text);

/* ^[a-z][a-z0-9-_.]*$, upper case folded */
bool stage_name_valid(struct str name);

#endif
