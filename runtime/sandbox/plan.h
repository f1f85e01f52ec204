/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flat plan: what sandbox.c compiles a spec into and the init program executes, in order.
 *
 * A plan is a sequence of struct plan_op, 8-byte aligned, the last one PLAN_EXEC, in a memfd. Steps
 * speak of fds through numbered slots, so that the init holds no policy: it opens, clones, attaches and
 * writes what it is told, always by fd and always beneath the root's or procfs's own fd.
 * This header is shared with the init program: libc and kernel headers only.
 */
#ifndef RUNTIME_SANDBOX_PLAN_H
#define RUNTIME_SANDBOX_PLAN_H

#include <stddef.h>
#include <stdint.h>

#define PLAN_SLOTS 256
#define PLAN_ARGS 6
#define PLAN_HOST (-1)		/* a slot number: not beneath a fd, but a path of the host */

enum plan_code {		/* a0.. are arguments, s0.. strings; steps that may be skipped say so */
	PLAN_FD,		/* a0 slot, a1 number of an inherited fd */
	PLAN_CGROUP,		/* a0 slot of a cgroup.procs file: join it */
	PLAN_UNSHARE,		/* a0 CLONE_NEW* flags */
	PLAN_SETNS,		/* a0 slot, a1 CLONE_NEW* flag */
	PLAN_PRIVATE,		/* no mount event goes in or out of this mount namespace */
	PLAN_NEWFS,		/* a0 slot, a1 MOUNT_ATTR_*, a2 flags; s0 type, s1... options "k=v" or "k" */
	PLAN_STACK,		/* a0 slot: attach it on top of "/", or of s0 of the host */
	PLAN_CLONE,		/* a0 slot, a1 from slot or PLAN_HOST, a2 flags, a3 attributes to set; s0 path */
	PLAN_ATTACH,		/* a0 slot, a1 root slot, a2 flags; s0 path beneath root, made if missing */
	PLAN_DEVICE,		/* a0 slot of a private tmpfs, a1 slot of /dev, a2 mode, a3 rdev, a4 uid, a5 gid;
				 * s0 path beneath /dev, s1 the host's node, bound where mknod is refused */
	PLAN_FILE,		/* a0 slot, a2 mode, a3 bytes, a4 uid, a5 gid; s0 name, then the bytes */
	PLAN_DIR,		/* a0 slot, a2 mode; s0 name */
	PLAN_SYMLINK,		/* a0 slot; s0 target, s1 name */
	PLAN_MASK,		/* a0 slot of procfs or sysfs, a1 slot of the private tmpfs; s0 path, may be missing */
	PLAN_RDONLY,		/* a0 slot of procfs or sysfs; s0 path, may be missing */
	PLAN_ATTR,		/* a0 slot, a2 flags, a3 attributes to set */
	PLAN_PIVOT,		/* a0 root slot */
	PLAN_WRITE,		/* a0 slot of procfs, a2 flags; s0 path, s1 text */
	PLAN_HOSTNAME,		/* s0 */
	PLAN_DOMAINNAME,	/* s0 */
	PLAN_LOOPBACK,		/* bring lo up */
	PLAN_RLIMIT,		/* a0 resource, a1 soft, a2 hard */
	PLAN_TTY,		/* a0 slot of devpts, a1 slot of /dev or PLAN_HOST: no console there; a2 rows, a3 columns, a4 uid */
	PLAN_STDIO,		/* a0 a1 a2 slots that become 0, 1, 2, or PLAN_HOST: /dev/null; a3 uid that shall own
				 * pipes, or -1; a4 slot of /dev */
	PLAN_CWD,		/* a0 root slot, a2 flags; s0 path */
	PLAN_UMASK,		/* a2 mode */
	PLAN_READY,		/* tell the parent, wait for its word */
	PLAN_IDS,		/* a0 uid, a1 gid, a2 flags, a3 number of groups: uint32_t each, then follow */
	PLAN_CAPS,		/* a0 mask: bounding, permitted, effective; a1 what stays besides until PLAN_SECCOMP */
	PLAN_NO_NEW_PRIVS,
	PLAN_SECCOMP,		/* a0 mask as above, a3 bytes of struct sock_filter, which follow */
	PLAN_INIT,		/* stay as process 1: a child does the rest */
	PLAN_JOIN,		/* a0 slot of a pidfd, a1 CLONE_NEW* flags: enter that process's namespaces; a2 slot of the
				 * root found there */
	PLAN_FORK,		/* a2 flags: a child of our own parent does the rest, in the pid namespace that was joined */
	PLAN_OPEN,		/* a0 slot, a1 root slot; s0 directory beneath root */
	PLAN_PAUSE,		/* a0 a1 slots of files: tell the parent, take its two texts (the state, before and after
				 * creation) into them */
	PLAN_HOOK,		/* a0 slot of such a text, a1 number of arguments, a2 of env strings, a3 seconds; s0 program,
				 * then these */
	PLAN_EXEC,		/* a0 number of argv strings, a1 number of env strings */
	PLAN_CODES
};

enum plan_flag {
	PLAN_REC = 1 << 0,	/* with all mounts below */
	PLAN_OPTIONAL = 1 << 1,	/* a failure is no error; the slot stays empty, attaching an empty slot does nothing */
	PLAN_NO_LINKS = 1 << 2,	/* no component of the path may be a symbolic link */
	PLAN_MKDIR = 1 << 3,
	PLAN_BIND_HOST = 1 << 4,	/* NEWFS: if refused (EPERM), clone the host's path in the last string instead */
	PLAN_NO_SETGROUPS = 1 << 5,	/* setgroups is denied in this user namespace */
	PLAN_STAY = 1 << 6,	/* IDS: do not die with the parent; FORK: the child is ours, we live as long as it does */
};

struct plan_op {
	uint16_t code, nstr;
	uint32_t size;		/* bytes of the record, text and padding included; a multiple of 8 */
	int64_t arg[PLAN_ARGS];
	char text[];		/* nstr strings with NUL, then bytes */
};

enum report_kind {
	REPORT_READY, REPORT_TTY /* with the master's fd */, REPORT_FAILED,
	REPORT_PAUSED,
	REPORT_CHILD,		/* PLAN_FORK: with the pidfd; sys is the pid */
};

struct report {			/* init to parent, one datagram each */
	uint16_t kind, code;	/* enum report_kind, enum plan_code of the failed step */
	int32_t sys;		/* errno */
	char text[512];		/* what was tried; NUL-terminated */
};

#define STATE_MAX (64 << 10)	/* bytes of a state text */

enum keep_kind { KEEP_ADD /* with the pidfd */, KEEP_DROP };

#define KEEP_PATHS 3072

struct keep {			/* parent to keeper, one datagram each */
	uint32_t kind, id;
	char paths[KEEP_PATHS];	/* cgroup directories to remove once the process is dead; each with NUL, an empty one ends */
};

#endif
