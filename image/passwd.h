/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups of an image, looked up in the bytes of its /etc/passwd and /etc/group. */
#ifndef IMAGE_PASSWD_H
#define IMAGE_PASSWD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* The caller reads the files beneath the image's root, regular ones only, at most so many bytes
 * (CVE-2026-47262); a file that is missing is an empty text. */
#define PASSWD_FILE_MAX ((size_t)1 << 20)
#define PASSWD_LINE_MAX ((size_t)64 << 10)
#define PASSWD_ID_MAX 4294967294U	/* 2^32 - 2; the next one means "unchanged" to the kernel */

struct passwd_user {
	uid_t uid;
	gid_t gid;
	gid_t *groups;		/* supplementary, in the file's order, without doubles; owned */
	size_t ngroups;
	char *home;		/* never NULL; "/" if unknown; owned */
	char *name;		/* NULL if no line of passwd is the user's; owned */
};

/**
 * Look up "user", "user:group", ":group", "user:" or "" (then uid 0), each a name or a number.
 *
 * A number is always an ID, never a name (CVE-2026-46680). A user's number without a line of passwd
 * gets gid 0 and home "/". An explicit group means no supplementary groups. The name "root" is 0 even without files.
 * Errors: ERR_NOT_FOUND "unable to find user X: no matching entries in passwd file" (group likewise),
 *         ERR_USAGE "uids and gids must be in range 0-4294967294", ERR_LIMIT.
 * Spec:   OCI image-spec, config.md "User".
 */
NODISCARD int passwd_lookup(struct str passwd, struct str group, const char *spec, struct passwd_user *ret,
			    struct err *e);
void passwd_user_done(struct passwd_user *u);

/* A group by name or number (--group-add). Errors as above. */
NODISCARD int passwd_group(struct str group, const char *spec, gid_t *ret, struct err *e);

/**
 * COPY/ADD --chown=spec: "user[:group]".
 *
 * A number alone is uid and gid; a name alone gets its primary group; an unknown name is 0, as BuildKit
 * has it, and *unknown (may be NULL) is then set to the part of spec that was not found.
 * Errors: ERR_USAGE (range; empty spec), ERR_LIMIT.
 */
NODISCARD int passwd_chown(struct str passwd, struct str group, const char *spec, uid_t *uid, gid_t *gid,
			   struct str *unknown, struct err *e);

#endif
