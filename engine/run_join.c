/* SPDX-License-Identifier: Apache-2.0 */
/* Another container's pid and IPC namespaces: its name at creation, its process at each start. */
#include "engine/run_join.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/fs.h"
#include "runtime/container/container.h"
#include "runtime/container/joined.h"
#include "runtime/container/jsontext.h"
#include "runtime/sandbox/ns.h"

#define JOIN "container:"

/* What follows "container:"; NULL: it is another mode. */
static const char *joined(const json_t *config, const char *key)
{
	const char *mode = json_string_value(json_object_get(json_object_get(config, "HostConfig"), key));

	return mode && strncmp(mode, JOIN, strlen(JOIN)) == 0 ? mode + strlen(JOIN) : NULL;
}

int run_join_record(struct store *s, json_t *config, struct err *e)
{
	static const char *const keys[] = { "PidMode", "IpcMode" };

	for (size_t i = 0; i < countof(keys); i++) {
		auto_container struct container *c = NULL;
		const char *ref = joined(config, keys[i]);

		if (!ref)
			continue;
		if (container_open(s, ref, &c, e) < 0)
			return -1;
		json_object_set_new(json_object_get(config, "HostConfig"), keys[i], json_sprintf(JOIN "%s", c->id));
	}
	return 0;
}

/* ---- at a start ---- */

static int shm_clone(void *arg, struct err *e)
{
	struct statfs st;
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), dir = -1;
	int *ret = arg;

	if (root >= 0)
		dir = fs_open_in(root, "dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (dir < 0 || fstatfs(dir, &st) < 0)
		return err_sys(e, "open its /dev/shm");
	if (st.f_type != TMPFS_MAGIC)
		return err_set(e, ERR_CONFLICT, "its /dev/shm is no memory");
	*ret = (int)syscall(SYS_open_tree, dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	return *ret < 0 ? err_sys(e, "clone its /dev/shm") : 0;
}

static int open_pid(const char *store, const char *id, struct run_joined *r, struct spec *sp, struct err *e)
{
	if (joined_process(store, id, &r->pid_of, e) < 0)
		return -1;
	r->pid = true;
	sp->pid_fd = r->pid_of.pidfd;
	return 0;
}

/* A private one is nobody else's: its owner was not asked. */
static int check_shares(const char *store, const char *id, struct err *e)
{
	auto_free char *mode = joined_ipc_mode(store, id);

	if (*mode && strcmp(mode, "private") != 0 && strcmp(mode, "none") != 0)
		return 0;
	return err_set(e, ERR_CONFLICT, "container %s: non-shareable IPC (hint: use IpcMode:shareable for the donor container)",
		       id);
}

static int open_ipc(const char *store, const char *id, struct run_joined *r, struct spec *sp, struct err *e)
{
	struct process t;
	auto_fd int mounts = -1;

	if (joined_process(store, id, &t, e) < 0)
		return -1;
	if (check_shares(store, id, e) < 0) {
		process_close(&t);
		return -1;
	}
	r->ipc_fd = openat(t.proc, "ns/ipc", O_RDONLY | O_CLOEXEC);
	r->ipc = r->ipc_fd >= 0;
	mounts = openat(t.proc, "ns/mnt", O_RDONLY | O_CLOEXEC);
	process_close(&t);
	if (!r->ipc || mounts < 0)
		return err_sys(e, "open its namespaces");
	if (ns_mounts_in(mounts, shm_clone, &r->shm_fd, e) < 0)
		return -1;
	r->shm = true;
	sp->ipc_fd = r->ipc_fd;
	sp->shm_fd = r->shm_fd;
	return 0;
}

int run_join_open(const char *store, const json_t *config, struct run_joined *r, struct spec *sp, struct err *e)
{
	const char *pid = joined(config, "PidMode"), *ipc = joined(config, "IpcMode");

	if (pid && open_pid(store, pid, r, sp, e) < 0)
		return err_wrap(e, "failed to join PID namespace");
	if (ipc && open_ipc(store, ipc, r, sp, e) < 0)
		return err_wrap(e, "failed to join IPC namespace");
	return 0;
}

void run_join_close(struct run_joined *r)
{
	if (r->pid)
		process_close(&r->pid_of);
	if (r->ipc)
		close(r->ipc_fd);
	if (r->shm)
		close(r->shm_fd);
	*r = (struct run_joined){ 0 };
}
