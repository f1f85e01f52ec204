/* SPDX-License-Identifier: Apache-2.0 */
/* Users of a file tree: image/passwd on the tree's own files, read with care. */
#ifndef BUILDER_USERS_H
#define BUILDER_USERS_H

#include "base/event.h"
#include "image/passwd.h"

/* USER's "name[:group]" in the tree beneath root (-1: an empty one; "" is root). Errors: passwd_lookup()'s. */
NODISCARD int users_lookup(int root, const char *spec, struct passwd_user *ret, struct err *e);
/* A supplementary group by name or number. Errors: passwd_group()'s. */
NODISCARD int users_group(int root, const char *spec, gid_t *ret, struct err *e);
/* May this process give a process these IDs? Errors: ERR_DENIED with a hint (an ordinary user without ranges). */
NODISCARD int users_check(uid_t uid, gid_t gid, struct err *e);
/* The exact supplementary groups of u, its own first (CVE-2022-36109: "not that group" must not be got rid of by
 * setgid), with room for `more` behind them; returns how many. *ret is the caller's to free. */
size_t users_gids(const struct passwd_user *u, size_t more, gid_t **ret);
/* --chown's value. bare: there is no tree to look names up in (scratch, --link): only numbers and "root".
 * Errors: ERR_USAGE "invalid user index: -1". */
NODISCARD int users_chown(int root, const char *spec, bool bare, uid_t *uid, gid_t *gid, struct sink *sink,
			  struct err *e);

#endif
