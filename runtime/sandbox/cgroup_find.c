/* SPDX-License-Identifier: Apache-2.0 */
/* Where this process may make cgroups. */
#include "runtime/sandbox/cgroup_find.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fs.h"

#define FILE_MAX ((size_t)4 << 20) /* bytes of mountinfo: some hosts have thousands of mounts */

const char *const cgroup_words[CGROUP_CONTROLLERS] = { "cpu", "cpuset", "memory", "pids" };

static bool list_has(struct str list, char sep, const char *word)
{
	while (list.p)
		if (str_is(str_cut(&list, sep), word))
			return true;
	return false;
}

/* The path of our cgroup in a hierarchy: "3:memory:/a" with a controller, "0::/a" with NULL. */
static bool self_path(struct str self, const char *controller, struct str *ret)
{
	while (self.p) {
		struct str rest = str_cut(&self, '\n'), id = str_cut(&rest, ':'),
			   words = str_cut(&rest, ':');

		if (controller ? list_has(words, ',', controller)
			       : str_is(id, "0") && words.n == 0) {
			*ret = rest;
			return rest.p != NULL;
		}
	}
	return false;
}

/* The directory below the mount point: a mount may show only a part of its hierarchy, from `root`
 * down. */
static char *own_dir(struct str mount, struct str root, struct str path)
{
	if (str_is(root, "/"))
		root.n = 0;
	if (path.n >= root.n && memcmp(path.p, root.p, root.n) == 0 &&
	    (path.n == root.n || path.p[root.n] == '/'))
		path = str_sub(path, root.n, path.n);
	else
		path.n = 0;
	while (path.n > 0 && path.p[path.n - 1] == '/')
		path.n--;
	return xasprintf(STR_FMT STR_FMT, STR_ARG(mount), STR_ARG(path));
}

struct mount { struct str root, point, type, options; };

/* proc(5), mountinfo: "id parent dev root mountpoint options [tags] - type source superoptions" */
static void mount_split(struct str line, struct mount *ret)
{
	*ret = (struct mount){ 0 };
	for (int i = 0; i < 6 && line.p; i++) {
		struct str word = str_cut(&line, ' ');

		if (i == 3)
			ret->root = word;
		else if (i == 4)
			ret->point = word;
	}
	while (line.p && !str_is(str_cut(&line, ' '), "-"))
		;
	ret->type = str_cut(&line, ' ');
	(void)str_cut(&line, ' ');		/* the source */
	ret->options = line;
}

static void mount_line(struct str line, struct str self, struct cgroup_places *ret)
{
	struct mount m;
	struct str path;

	mount_split(line, &m);
	if (str_is(m.type, "cgroup2") && !ret->v2 && self_path(self, NULL, &path)) {
		ret->v2 = own_dir(m.point, m.root, path);
		ret->v2_top = m.point.n;
	}
	if (!str_is(m.type, "cgroup"))
		return;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (!ret->v1[i] && list_has(m.options, ',', cgroup_words[i]) &&
		    self_path(self, cgroup_words[i], &path))
			ret->v1[i] = own_dir(m.point, m.root, path);
}

static bool has_line(struct str text, struct str line)
{
	while (text.p)
		if (str_eq(str_cut(&text, '\n'), line))
			return true;
	return false;
}

/* The directory of one line of /proc/PID/cgroup, "3:cpu,cpuacct:/a" or "0::/a"; NULL: its hierarchy is not mounted. */
static char *line_dir(struct str mountinfo, struct str line)
{
	struct str path = line, id = str_cut(&path, ':'), words = str_cut(&path, ':'), word = str_cut(&words, ',');

	while (mountinfo.p && id.n) {
		struct mount m;

		mount_split(str_cut(&mountinfo, '\n'), &m);
		if (word.n ? str_is(m.type, "cgroup") : str_is(m.type, "cgroup2")) {
			auto_free char *one = str_dup(word);

			if (!word.n || list_has(m.options, ',', one))
				return own_dir(m.point, m.root, path);
		}
	}
	return NULL;
}

void cgroup_dirs_differ(struct str mountinfo, struct str self, struct str other, struct strv *ret)
{
	while (other.p) {
		struct str line = str_cut(&other, '\n');
		char *dir = has_line(self, line) ? NULL : line_dir(mountinfo, line);

		if (dir)
			strv_take(ret, dir);
	}
}

char *cgroup_own_dir(const char *controller)
{
	auto_buf struct buf mounts = { 0 }, self = { 0 };
	auto_err struct err ignored = { 0 };
	struct str rest;

	if (fs_read(AT_FDCWD, "/proc/self/mountinfo", FILE_MAX, &mounts, &ignored) < 0 ||
	    fs_read(AT_FDCWD, "/proc/self/cgroup", FILE_MAX, &self, &ignored) < 0)
		return NULL;
	for (rest = buf_view(&self); rest.p;) {
		struct str line = str_cut(&rest, '\n'), path;

		if (self_path(line, controller, &path))
			return line_dir(buf_view(&mounts), line);
	}
	return NULL;
}

void cgroup_places_parse(struct str mountinfo, struct str self, struct cgroup_places *ret)
{
	*ret = (struct cgroup_places){ 0 };
	while (mountinfo.p)
		mount_line(str_cut(&mountinfo, '\n'), self, ret);
}

int cgroup_places_read(struct cgroup_places *ret, struct err *e)
{
	auto_buf struct buf mounts = { 0 }, self = { 0 };

	if (fs_read(AT_FDCWD, "/proc/self/mountinfo", FILE_MAX, &mounts, e) < 0 ||
	    fs_read(AT_FDCWD, "/proc/self/cgroup", FILE_MAX, &self, e) < 0)
		return -1;
	cgroup_places_parse(buf_view(&mounts), buf_view(&self), ret);
	return 0;
}

void cgroup_places_done(struct cgroup_places *p)
{
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		free(p->v1[i]);
	free(p->v2);
	*p = (struct cgroup_places){ 0 };
}

/* ---- version 2 ---- */

/* The controllers named in a file, as a mask; 0 if it cannot be read. */
static unsigned words_mask(const char *dir, const char *file)
{
	auto_free char *path = xasprintf("%s/%s", dir, file);
	auto_buf struct buf text = { 0 };
	auto_err struct err e = { 0 };
	unsigned mask = 0;

	if (fs_read(AT_FDCWD, path, 4096, &text, &e) < 0)
		return 0;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (list_has(str_trim(buf_view(&text)), ' ', cgroup_words[i]))
			mask |= 1u << i;
	return mask;
}

static bool writable(const char *dir, const char *file)
{
	auto_free char *path = xasprintf("%s/%s", dir, file);

	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

/* cgroup-v2.rst, "No Internal Process Constraint": with processes of its own, only the root hands
 * controllers on. */
static bool has_processes(const char *dir)
{
	auto_free char *path = xasprintf("%s/cgroup.procs", dir),
		       *type = xasprintf("%s/cgroup.type", dir);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c;

	return access(type, F_OK) == 0 && (fd < 0 || read(fd, &c, 1) != 0);
}

static bool hand_on(const char *dir, unsigned missing)
{
	auto_free char *path = xasprintf("%s/cgroup.subtree_control", dir);
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	auto_buf struct buf text = { 0 };

	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (missing & 1u << i)
			buf_printf(&text, "+%s ", cgroup_words[i]);
	return fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n;
}

static bool parent_fits(const char *dir, unsigned mask, bool make)
{
	unsigned missing = mask & ~words_mask(dir, "cgroup.subtree_control");

	if (!writable(dir, "") || !writable(dir, "cgroup.procs"))
		return false;
	if (!missing)
		return true;
	if ((words_mask(dir, "cgroup.controllers") & missing) != missing || has_processes(dir))
		return false;
	return make ? hand_on(dir, missing) : writable(dir, "cgroup.subtree_control");
}

char *cgroup_v2_parent(const struct cgroup_places *p, unsigned mask, bool make)
{
	auto_free char *dir = p->v2 ? xstrdup(p->v2) : NULL;
	char *slash;

	while (dir) {
		if (parent_fits(dir, mask, make))
			return take_ptr(&dir);
		slash = strlen(dir) > p->v2_top ? strrchr(dir, '/') : NULL;
		if (!slash || (size_t)(slash - dir) < p->v2_top)
			break;
		*slash = '\0';
	}
	return NULL;
}

unsigned cgroup_v2_can(const struct cgroup_places *p)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
		auto_free char *dir = cgroup_v2_parent(p, 1u << i, false);

		if (dir)
			mask |= 1u << i;
	}
	return mask;
}
