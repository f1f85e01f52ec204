/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rootless: an ordinary user's process moves itself into own user and mount namespaces, before any
 * thread exists. From then on it has user ID 0 and all capabilities there; nobody below asks "am I
 * root?".
 */
#ifndef RUNTIME_SANDBOX_USERNS_H
#define RUNTIME_SANDBOX_USERNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

#define USERNS_RANGES 16

struct userns_range { uint32_t inside, outside, count; };

struct userns {
	bool inside; /* in a user namespace that is not the machine's first (ours, or a container's)
		      */
	bool single_id; /* only one user ID exists here: an image's files can have no other owner */
	bool setgroups_denied;
	uid_t owner;		/* who user ID 0 is outside; 0 if not inside */
	gid_t group;
	struct userns_range uids[USERNS_RANGES],
		gids[USERNS_RANGES]; /* what exists here; never none */
	size_t nuids, ngids;
};

/**
 * Does nothing for effective user ID 0. For another user: new user and mount namespaces for this
 * very process, same pid, terminal, descriptors. IDs: /etc/subuid and /etc/subgid through newuidmap
 * and newgidmap; where the user has no range there, or the programs are missing, the own ID alone.
 * Call once, while the process has one thread. *note (may be NULL) is set to an owned line for the
 * user when ranges exist but could not be used, else to NULL.
 *
 * Errors: ERR_DENIED with a hint (user namespaces are switched off: which switch), ERR_SYS.
 */
NODISCARD int userns_enter(char **note, struct err *e);

/* What this process's namespace is, from /proc/self; also right when somebody else made it. */
NODISCARD int userns_info(struct userns *ret, struct err *e);

bool userns_has_uid(const struct userns *u, uint32_t id);
bool userns_has_gid(const struct userns *u, uint32_t id);

/* Where volatile state goes, owned: /run/tare, for an ordinary user $XDG_RUNTIME_DIR/tare,
 * /run/user/ID/tare, or /tmp/tare-ID. Made (0700) and checked to be the user's own. Errors:
 * ERR_DENIED (somebody else's), ERR_SYS. */
NODISCARD int userns_run_dir(const struct userns *u, char **ret, struct err *e);

/* Pure, for tests: the ranges of a /etc/subuid text that belong to name or id, in order; at most
 * max. */
size_t userns_subids(struct str text, struct str name, uint32_t id, struct userns_range *ret,
		     size_t max);

#endif
