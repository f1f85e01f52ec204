/* SPDX-License-Identifier: Apache-2.0 */
/* What all sandboxes of a process share: the init program in a sealed memfd, and the keeper. */
#ifndef RUNTIME_SANDBOX_HOST_H
#define RUNTIME_SANDBOX_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

struct sandbox_host;

/*
 * Start the init program with argv in a clone made with the CLONE_NEW* flags. It inherits fds[0..n), the numbers
 * kept, and (until its first instructions close them) whatever else lacks close-on-exec. The calling thread sleeps
 * until execveat. *pidfd is the caller's; the child sends no SIGCHLD and is reaped by waitid(P_PIDFD, __WALL).
 */
NODISCARD int host_spawn(struct sandbox_host *h, char *const *argv, const int *fds, size_t n, uint64_t flags,
			 int *pidfd, pid_t *pid, struct err *e);
/* Have the keeper watch over a process: *id is for host_unkeep(). cgroups: directories to remove after its death. */
NODISCARD int host_keep(struct sandbox_host *h, int pidfd, const struct strv *cgroups, uint32_t *id, struct err *e);
void host_unkeep(struct sandbox_host *h, uint32_t id);
bool host_no_setgroups(const struct sandbox_host *h);	/* setgroups(2) is denied in our user namespace */
struct str host_cgroups(const struct sandbox_host *h);	/* the text of /proc/self/cgroup; borrowed */
/* The default filter for a set of capabilities, compiled once for each set; borrowed, until sandbox_host_free(). */
NODISCARD int host_seccomp(struct sandbox_host *h, uint64_t caps, struct str *ret, struct err *e);

#endif
