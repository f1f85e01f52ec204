/* SPDX-License-Identifier: Apache-2.0 */
/* From the names of devices to what changes in a container. SPEC.md "containerEdits". */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "runtime/container/cdi.h"
#include "runtime/container/cdi_fields.h"

struct inject {
	struct cdi_edits *to;
	uid_t uid;
	gid_t gid;
	const char *file;		/* that is applied, for messages */
	struct err *e;
};

#define GROW(a, n) ((a) = xrealloc((a), ((n) + 1) * sizeof(*(a))))

static const char *text_of(struct inject *in, const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && *s ? arena_strdup(&in->to->arena, s) : NULL;
}

static void texts_of(const json_t *o, const char *key, struct strv *ret)
{
	const json_t *list = json_object_get(o, key);

	for (size_t i = 0; i < json_array_size(list); i++)
		strv_add(ret, json_string_value(json_array_get(list, i)));
}

static void add_env(struct inject *in, const json_t *edits)
{
	auto_strv struct strv env = { 0 };

	texts_of(edits, "env", &env);
	for (size_t i = 0; i < env.n; i++) {
		char *eq = strchr(env.v[i], '=');

		*eq = '\0';
		strv_env_set(&in->to->env, env.v[i], eq + 1);
	}
}

/* ---- nodes ---- */

static mode_t node_type(const char *type)
{
	return !type ? 0 : *type == 'b' ? S_IFBLK : *type == 'p' ? S_IFIFO : S_IFCHR;
}

/* What the file does not say is as on the host. */
static int node_from_host(struct inject *in, const json_t *o, struct spec_device *d)
{
	const json_t *mode = json_object_get(o, "fileMode"), *major_ = json_object_get(o, "major");
	mode_t type = node_type(json_string_value(json_object_get(o, "type")));
	struct stat st = { 0 };

	if (!type || (!major_ && type != S_IFIFO) || !mode) {
		if (stat(d->host, &st) < 0) {
			if (!type || (!major_ && type != S_IFIFO))
				return err_sys(in->e, "%s: device node %s", in->file, d->host);
			st.st_mode = type | 0666;
		}
	}
	d->rdev = major_ ? makedev((unsigned)json_integer_value(major_),
				   (unsigned)json_integer_value(json_object_get(o, "minor"))) : st.st_rdev;
	if (!type)
		type = st.st_mode & S_IFMT;
	if (type != S_IFCHR && type != S_IFBLK)
		return err_set(in->e, ERR_USAGE, "%s: %s is not a device node", in->file, d->host);
	d->mode = type | (mode ? (mode_t)json_integer_value(mode) & 07777 : st.st_mode & 0777);
	return 0;
}

static int add_node(struct inject *in, const json_t *o)
{
	const char *path = text_of(in, o, "path"), *host = text_of(in, o, "hostPath");
	const json_t *uid = json_object_get(o, "uid"), *gid = json_object_get(o, "gid");
	struct spec_device d = { .host = host ? host : path };
	struct cdi_edits *x = in->to;

	if (strncmp(path, "/dev/", 5) != 0)
		return err_set(in->e, ERR_USAGE, "%s: device node %s is not beneath /dev", in->file, path);
	d.path = path + 5;
	if (node_from_host(in, o, &d) < 0)
		return -1;
	d.uid = uid ? (uid_t)json_integer_value(uid) : in->uid;
	d.gid = gid ? (gid_t)json_integer_value(gid) : in->uid ? in->gid : 0;
	for (size_t i = 0; i < x->ndevices; i++)
		if (strcmp(x->devices[i].path, d.path) == 0) {
			x->devices[i] = d;
			return 0;
		}
	GROW(x->devices, x->ndevices);
	x->devices[x->ndevices++] = d;
	return 0;
}

/* ---- mounts ---- */

static bool mount_option(struct spec_mount *m, const char *o)
{
	static const struct { const char *name; unsigned flag; } flags[] = {
		{ "ro", SPEC_RO }, { "nosuid", SPEC_NOSUID }, { "nodev", SPEC_NODEV }, { "noexec", SPEC_NOEXEC },
		{ "rbind", SPEC_REC }, { "noatime", SPEC_NOATIME }, { "bind", 0 }, { "rw", 0 }, { "suid", 0 }, { "dev", 0 },
		{ "exec", 0 }, { "relatime", 0 }, { "optional", 0 },
	};
	static const char *const propagation[] = { "private", "slave", "shared" };

	for (size_t i = 0; i < countof(flags); i++)
		if (strcmp(o, flags[i].name) == 0) {
			m->flags |= flags[i].flag;
			return true;
		}
	for (size_t i = 0; i < countof(propagation); i++)
		if (strcmp(o + (*o == 'r'), propagation[i]) == 0) {
			m->propagation = (enum spec_propagation)i;
			return true;
		}
	return false;
}

/* Of a file system that is made anew, whatever is no flag is its own option. */
static int mount_options(struct inject *in, const json_t *o, struct spec_mount *m)
{
	auto_strv struct strv options = { 0 };
	auto_buf struct buf data = { 0 };

	texts_of(o, "options", &options);
	for (size_t i = 0; i < options.n; i++) {
		if (mount_option(m, options.v[i]))
			continue;
		if (m->kind != SPEC_TMPFS)
			return err_set(in->e, ERR_USAGE, "%s: mount %s: unknown option \"%s\"", in->file, m->dst, options.v[i]);
		buf_printf(&data, "%s%s", data.n ? "," : "", options.v[i]);
	}
	if (data.n)
		m->data = arena_strdup(&in->to->arena, data.p);
	return 0;
}

static size_t depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/' && path[1];
	return n;
}

/* Outer ones first; among equals the order in which they came. A later one replaces an earlier of the same place. */
static void put_mount(struct cdi_edits *x, const struct spec_mount *m)
{
	size_t at = x->nmounts;

	for (size_t i = 0; i < x->nmounts; i++)
		if (strcmp(x->mounts[i].dst, m->dst) == 0) {
			x->mounts[i] = *m;
			return;
		}
	GROW(x->mounts, x->nmounts);
	for (; at > 0 && depth(x->mounts[at - 1].dst) > depth(m->dst); at--)
		x->mounts[at] = x->mounts[at - 1];
	x->mounts[at] = *m;
	x->nmounts++;
}

static int add_mount(struct inject *in, const json_t *o)
{
	const char *type = text_of(in, o, "type");
	struct spec_mount m = { .kind = SPEC_BIND, .src_fd = -1 };

	m.src = text_of(in, o, "hostPath");
	m.dst = text_of(in, o, "containerPath");
	if (*m.dst != '/' || *m.src != '/')
		return err_set(in->e, ERR_USAGE, "%s: mount %s: a path is not absolute", in->file, m.dst);
	if (type && strcmp(type, "tmpfs") == 0)
		m.kind = SPEC_TMPFS;
	else if (type && strcmp(type, "bind") != 0 && strcmp(type, "none") != 0)
		return err_set(in->e, ERR_USAGE, "%s: mount %s: type %s is not supported", in->file, m.dst, type);
	if (mount_options(in, o, &m) < 0)
		return -1;
	if (m.kind == SPEC_BIND && access(m.src, F_OK) < 0)
		return err_sys(in->e, "%s: mount of %s", in->file, m.src);
	put_mount(in->to, &m);
	return 0;
}

/* ---- hooks, groups ---- */

static int add_hook(struct inject *in, const json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "hookName"));
	struct cdi_edits *x = in->to;
	struct spec_hook h = { .timeout = (int)json_integer_value(json_object_get(o, "timeout")) };
	size_t i = 0;

	while (strcmp(cdi_hooks[i].name, name) != 0)
		i++;
	h.when = cdi_hooks[i].when;
	h.path = text_of(in, o, "path");
	if (*h.path != '/')
		return err_set(in->e, ERR_USAGE, "%s: hook %s is not an absolute path", in->file, h.path);
	texts_of(o, "args", &h.args);
	texts_of(o, "env", &h.env);
	if (!h.args.n)
		strv_add(&h.args, h.path);
	GROW(x->hooks, x->nhooks);
	x->hooks[x->nhooks++] = h;
	return 0;
}

static void add_gid(struct cdi_edits *x, gid_t gid)
{
	for (size_t i = 0; i < x->ngids; i++)
		if (x->gids[i] == gid)
			return;
	if (gid == 0)
		return;
	GROW(x->gids, x->ngids);
	x->gids[x->ngids++] = gid;
}

static int add_each(struct inject *in, const json_t *edits, const char *key, int (*add)(struct inject *, const json_t *))
{
	const json_t *list = json_object_get(edits, key);

	for (size_t i = 0; i < json_array_size(list); i++)
		if (add(in, json_array_get(list, i)) < 0)
			return -1;
	return 0;
}

static int refuse(struct inject *in, const json_t *o UNUSED)
{
	return err_set(in->e, ERR_USAGE, "%s: netDevices are not supported: no interface is moved into a container", in->file);
}

static int apply(struct inject *in, const json_t *edits)
{
	const json_t *gids = json_object_get(edits, "additionalGIDs");

	if (json_object_size(json_object_get(edits, "intelRdt")))
		return err_set(in->e, ERR_USAGE, "%s: intelRdt is not supported: no resctrl group is made", in->file);
	add_env(in, edits);
	for (size_t i = 0; i < json_array_size(gids); i++)
		add_gid(in->to, (gid_t)json_integer_value(json_array_get(gids, i)));
	if (add_each(in, edits, "netDevices", refuse) < 0 || add_each(in, edits, "deviceNodes", add_node) < 0 ||
	    add_each(in, edits, "mounts", add_mount) < 0)
		return -1;
	return add_each(in, edits, "hooks", add_hook);
}

static int unresolvable(const struct cdi *c, const struct strv *names, struct err *e)
{
	auto_buf struct buf missing = { 0 };

	for (size_t i = 0; i < names->n; i++)
		if (!cdi_find(c, names->v[i]))
			buf_printf(&missing, "%s%s", missing.n ? ", " : "", names->v[i]);
	if (!missing.n)
		return 0;
	if (cdi_problems(c)->n)
		buf_printf(&missing, " (%s)", cdi_problems(c)->v[0]);
	err_set(e, ERR_NOT_FOUND, "unresolvable CDI devices %s", missing.p);
	return err_hint(e, "`tare cdi list` shows the devices of this host, and the files that could not be read");
}

int cdi_inject(const struct cdi *c, const struct strv *names, uid_t uid, gid_t gid, struct cdi_edits *ret, struct err *e)
{
	struct inject in = { .to = ret, .uid = uid, .gid = gid, .e = e };

	if (unresolvable(c, names, e) < 0)
		return -1;
	for (size_t i = 0; i < names->n; i++) {
		const struct cdi_device *d = cdi_find(c, names->v[i]);
		bool seen = false;

		for (size_t k = 0; k < i && !seen; k++)
			seen = cdi_find(c, names->v[k])->spec == d->spec;
		in.file = d->file;
		if (!seen && apply(&in, json_object_get(d->spec, "containerEdits")) < 0)
			return -1;
		if (apply(&in, json_object_get(d->device, "containerEdits")) < 0)
			return -1;
	}
	return 0;
}

void cdi_edits_done(struct cdi_edits *x)
{
	for (size_t i = 0; i < x->nhooks; i++) {
		strv_done(&x->hooks[i].args);
		strv_done(&x->hooks[i].env);
	}
	free(x->devices);
	free(x->mounts);
	free(x->hooks);
	free(x->gids);
	strv_done(&x->env);
	arena_done(&x->arena);
	*x = (struct cdi_edits){ 0 };
}
