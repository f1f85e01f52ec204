/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sandbox shall be: one value, filled by builder/op_run or engine/run, read by
 * sandbox_create(). Shaped like the OCI runtime-spec's config.json, with fds in place of paths.
 */
#ifndef RUNTIME_SANDBOX_SPEC_H
#define RUNTIME_SANDBOX_SPEC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "runtime/sandbox/cgroup.h"

/* What the spec leaves open is spec_init()'s: 14 capabilities, masks, private namespaces, umask 022. */
#define SPEC_SHM_SIZE ((uint64_t)64 << 20)
#define SPEC_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum spec_mount_kind {
	SPEC_BIND,		/* a host file or directory */
	SPEC_TMPFS,		/* a new tmpfs */
	SPEC_TEXT,		/* a file made of bytes (a secret, /etc/hosts); lives in memory, as long as the sandbox */
};

enum spec_mount_flag {
	SPEC_RO = 1 << 0,
	SPEC_NOSUID = 1 << 1,
	SPEC_NODEV = 1 << 2,
	SPEC_NOEXEC = 1 << 3,
	SPEC_REC = 1 << 4,	/* BIND: with what is mounted below src; SPEC_RO then means all of it */
	SPEC_NOATIME = 1 << 5,
	SPEC_RO_TOP = 1 << 6,	/* BIND with SPEC_REC: read-only, but not what is mounted below */
};

/* Propagation of a bind; the spec's value order is that of the words r?private, r?slave, r?shared. */
enum spec_propagation { SPEC_PRIVATE, SPEC_SLAVE, SPEC_SHARED };

struct spec_mount {		/* done in this order, after the standard ones */
	enum spec_mount_kind kind;
	int src_fd;		/* BIND: file or directory (O_PATH is enough) or a detached mount; -1: src says it */
	const char *src;	/* BIND: host path, links followed */
	const char *dst;	/* absolute path in the container, resolved beneath its root */
	unsigned flags;		/* enum spec_mount_flag; SPEC_NODEV is added unless privileged */
	enum spec_propagation propagation;
	const char *data;	/* TMPFS: "size=64m,mode=1777,..." as in mount(8), without the flags above; NULL: none */
	struct str text;	/* TEXT: the bytes */
	mode_t mode;		/* TEXT: permission bits */
	uid_t uid;		/* TEXT: owner */
	gid_t gid;
	bool optional;		/* SPEC_BIND: no error if the source is missing */
};

struct spec_device {		/* a node beside the standard six */
	const char *path;	/* in the container, beneath /dev: "fuse", "net/tun" */
	mode_t mode;		/* S_IFCHR or S_IFBLK, and permission bits */
	uid_t uid;
	gid_t gid;
	dev_t rdev;
	const char *host;	/* path on the host, bound where mknod is not permitted */
};

struct spec_rlimit {
	int resource;		/* RLIMIT_x */
	const char *name;	/* for messages: "nofile" */
	uint64_t soft, hard;	/* UINT64_MAX: unlimited */
};

struct spec_sysctl {
	const char *key, *value;	/* "net.ipv4.ip_forward" */
	bool optional;		/* a refusal is no error */
};

enum spec_hook_when {		/* runtime-spec, config.md "POSIX-platform Hooks"; in the order of a container's life */
	SPEC_HOOK_PRESTART, SPEC_HOOK_CREATE_RUNTIME, SPEC_HOOK_CREATE_CONTAINER, SPEC_HOOK_START_CONTAINER,
	SPEC_HOOK_POSTSTART, SPEC_HOOK_POSTSTOP,
};

struct spec_hook {		/* a program that gets the container's state as JSON on its standard input */
	enum spec_hook_when when;
	const char *path;	/* absolute: of the host, START_CONTAINER: of the container */
	struct strv args, env;	/* args[0] is its name; no other environment */
	int timeout;		/* seconds, then it is killed and has failed; 0: none */
};

enum spec_net { SPEC_NET_HOST, SPEC_NET_NONE, SPEC_NET_FD };

struct spec {
	int root_fd;		/* the root: a detached mount (snapshot_fd()) or any directory; stays the caller's,
				 * who keeps it open until sandbox_free() */
	bool readonly_root;
	struct strv argv, env;	/* argv[0] is looked up in env's PATH as execvp does, inside the container */
	const char *cwd;	/* absolute */
	bool mkdir_cwd;		/* make cwd (root:root 0755) if it is missing */
	uid_t uid;
	gid_t gid;
	const gid_t *groups;	/* the exact supplementary groups; none can be had where only one ID exists (userns.h) */
	size_t ngroups;
	mode_t umask;

	const char *hostname, *domainname;	/* NULL: the new uts namespace's inherited name */
	const char *hosts, *resolv_conf;	/* contents of /etc/hosts, /etc/resolv.conf; NULL: the image's own file.
						 * /etc/hostname is made when hostname is set */
	struct spec_mount *mounts;
	size_t nmounts;
	struct spec_device *devices;
	size_t ndevices;
	uint64_t shm_size;	/* bytes of /dev/shm */

	uint64_t caps;		/* bit n = capability n: bounding, permitted, effective; no inheritable, no ambient */
	bool privileged;	/* no masks, all host devices, sysfs and cgroup writable; caps and seccomp as given */
	bool no_new_privs;
	bool writable_cgroups;	/* the container may divide its own cgroup */
	bool host_uts, host_ipc, host_cgroups;	/* no such namespace of its own; with host_uts hostname is only its text */
	bool host_pid;		/* nor pid namespace: a cgroup of its own is what ends it as a whole */
	int pid_fd, ipc_fd;	/* another sandbox's process (a pidfd or namespace) whose namespace it shares; the caller's, -1 */
	int shm_fd;		/* with ipc_fd: the /dev/shm of that one, a detached mount; the caller's, -1: none */
	bool no_shm;		/* no /dev/shm */
	int oom_score_adj;	/* -1000 to 1000; what this process may not set is left out */
	bool unmask;		/* systempaths=unconfined */
	bool seccomp_off;	/* unconfined */
	const char *seccomp_profile;	/* Docker's JSON form, its text; NULL: the default table */

	enum spec_net net;	/* NONE: an empty namespace with lo up */
	int netns_fd;		/* SPEC_NET_FD; stays the caller's */

	int stdio[3];		/* become 0, 1, 2; stay the caller's. -1: /dev/null */
	bool tty;		/* a new pty is 0, 1, 2; its master is sandbox_tty_master(); stdio is not used */
	unsigned short rows, cols;	/* of the pty; 0: 24 x 80 */

	const struct spec_rlimit *rlimits;
	size_t nrlimits;
	const struct spec_sysctl *sysctls;
	size_t nsysctls;
	struct cgroup_limits limits;	/* no cgroup is made if none is set */
	const struct spec_hook *hooks;
	size_t nhooks;
	const char *bundle;	/* hooks: an empty directory of the host for what they read (config.json) and see (rootfs) */
	bool init;		/* a small init is process 1: reaps, forwards signals */
	bool keep_stubs;	/* mount points that had to be made stay (a container: they are in its upper
				 * for good). false: sandbox_free() removes them without trace (RUN steps) */
	const char *name;	/* of the cgroup: a container's ID or a step's name; [a-zA-Z0-9_.-]+ */
};

/* Defaults of a container as Docker has them: stdio -1, root_fd -1, netns_fd -1, cwd "/". Nothing is allocated. */
void spec_init(struct spec *sp);
/* Frees argv and env; all else is borrowed. */
void spec_done(struct spec *sp);
/* ERR_USAGE for what no kernel would take: empty argv, relative dst or cwd, a name with a slash... */
NODISCARD int spec_check(const struct spec *sp, struct err *e);

#endif
