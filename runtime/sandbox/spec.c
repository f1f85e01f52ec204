/* SPDX-License-Identifier: Apache-2.0 */
/* A spec's defaults and its checks. */
#include "runtime/sandbox/spec.h"

#include "runtime/sandbox/caps.h"

void spec_init(struct spec *sp)
{
	*sp = (struct spec){
		.root_fd = -1, .netns_fd = -1,
		.pid_fd = -1, .ipc_fd = -1, .shm_fd = -1, .stdio = { -1, -1, -1 }, .cwd = "/", .umask = 022,
		.shm_size = SPEC_SHM_SIZE, .caps = caps_default, .net = SPEC_NET_NONE,
	};
}

void spec_done(struct spec *sp)
{
	strv_done(&sp->argv);
	strv_done(&sp->env);
}

static bool name_ok(const char *s)
{
	return s && *s && *s != '.' && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")];
}

static int check_mount(const struct spec_mount *m, struct err *e)
{
	if (!m->dst || m->dst[0] != '/')
		return err_set(e, ERR_USAGE, "invalid mount path \"%s\": mount path must be absolute",
			       m->dst ? m->dst : "");
	if (!m->dst[strspn(m->dst, "/")])
		return err_set(e, ERR_USAGE, "invalid mount path \"%s\": destination can't be '/'", m->dst);
	if (m->kind == SPEC_BIND && m->src_fd < 0 && !m->src)
		return err_set(e, ERR_USAGE, "the mount %s has no source", m->dst);
	return 0;
}

int spec_check(const struct spec *sp, struct err *e)
{
	if (sp->root_fd < 0)
		return err_set(e, ERR_USAGE, "the sandbox has no root");
	if (sp->argv.n == 0)
		return err_set(e, ERR_USAGE, "no command specified");
	if (!sp->cwd || sp->cwd[0] != '/')
		return err_set(e, ERR_USAGE, "the working directory \"%s\" is invalid, it needs to be an absolute path",
			       sp->cwd ? sp->cwd : "");
	if (sp->hostname && (strlen(sp->hostname) > 64 || !*sp->hostname))
		return err_set(e, ERR_USAGE, "invalid hostname \"%s\": 1 to 64 bytes", sp->hostname);
	if (!name_ok(sp->name))
		return err_set(e, ERR_USAGE, "invalid sandbox name \"%s\"", sp->name ? sp->name : "");
	if (sp->net == SPEC_NET_FD && sp->netns_fd < 0)
		return err_set(e, ERR_USAGE, "the sandbox has no network namespace");
	if (cgroup_check(&sp->limits, e) < 0)
		return -1;
	for (size_t i = 0; i < sp->nmounts; i++)
		if (check_mount(&sp->mounts[i], e) < 0)
			return -1;
	return 0;
}
