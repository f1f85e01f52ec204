/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes whose options name a file system: mounted detached, for each container anew. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

#include "base/str.h"
#include "runtime/container/volume.h"

static const struct { const char *word; uint64_t set, clear; } words[] = {
	{ "ro", MOUNT_ATTR_RDONLY, 0 }, { "rw", 0, MOUNT_ATTR_RDONLY }, { "nosuid", MOUNT_ATTR_NOSUID, 0 },
	{ "suid", 0, MOUNT_ATTR_NOSUID }, { "nodev", MOUNT_ATTR_NODEV, 0 }, { "noexec", MOUNT_ATTR_NOEXEC, 0 },
	{ "exec", 0, MOUNT_ATTR_NOEXEC }, { "noatime", MOUNT_ATTR_NOATIME, 0 }, { "relatime", 0, MOUNT_ATTR_NOATIME },
	{ "defaults", 0, 0 },
};

static const char *option(const struct volume *v, const char *key)
{
	return json_string_value(json_object_get(json_object_get(v->meta, "Options"), key));
}

static bool is_flag(struct str word, uint64_t *attrs)
{
	for (size_t i = 0; i < countof(words); i++)
		if (str_is(word, words[i].word)) {
			*attrs = (*attrs | words[i].set) & ~words[i].clear;
			return true;
		}
	return false;
}

/* The file system's own words, if it has some, say what is wrong. */
static int fs_fail(int fs, const char *name, const char *what, struct err *e)
{
	int sys = errno;
	char log[256] = "";
	ssize_t n = read(fs, log, sizeof(log) - 1);

	log[n > 0 ? n : 0] = '\0';
	errno = sys;
	return err_sys(e, "mount volume %s: %s%s%s", name, what, *log ? ": " : "",
		       log[0] && log[1] == ' ' ? log + 2 : log);
}

static int set_options(int fs, const char *name, struct str rest, uint64_t *attrs, struct err *e)
{
	while (rest.n) {
		struct str value = str_cut(&rest, ','), key = value;
		auto_free char *k = NULL, *v = NULL;

		if (!value.n || is_flag(value, attrs))
			continue;
		key = str_cut(&value, '=');
		k = str_dup(key);
		v = str_dup(value);
		if (fsconfig(fs, value.p ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, k, value.p ? v : NULL, 0) < 0)
			return fs_fail(fs, name, k, e);
	}
	return 0;
}

static int mount_fs(const struct volume *v, const char *name, const char *type, int *ret, struct err *e)
{
	auto_fd int fs = fsopen(type, FSOPEN_CLOEXEC);
	uint64_t attrs = 0;

	if (fs < 0)
		return err_sys(e, "mount volume %s: type %s", name, type);
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", option(v, "device"), 0) < 0)
		return fs_fail(fs, name, "device", e);
	if (set_options(fs, name, str_of(option(v, "o")), &attrs, e) < 0)
		return -1;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fs_fail(fs, name, "make the file system", e);
	*ret = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attrs);
	return *ret < 0 ? fs_fail(fs, name, "mount", e) : 0;
}

/* o=bind: a directory of the host under the volume's name. */
static int mount_bind(const struct volume *v, const char *name, bool rec, int *ret, struct err *e)
{
	const char *device = option(v, "device");
	auto_fd int fd = open_tree(AT_FDCWD, device, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (rec ? AT_RECURSIVE : 0));
	struct mount_attr a = { 0 };
	uint64_t attrs = 0;

	for (struct str rest = str_of(option(v, "o")); rest.n; )
		(void)is_flag(str_cut(&rest, ','), &attrs);
	a.attr_set = attrs;
	if (fd < 0 || (attrs && mount_setattr(fd, "", AT_EMPTY_PATH | (rec ? AT_RECURSIVE : 0), &a, sizeof(a)) < 0))
		return err_sys(e, "mount volume %s: bind %s", name, device);
	*ret = take_fd(&fd);
	return 0;
}

int volume_mount(const struct volume *v, const char *name, int *ret, struct err *e)
{
	const char *type = option(v, "type"), *device = option(v, "device");

	*ret = -1;
	if (!type || !device)
		return 0;
	for (struct str rest = str_of(option(v, "o")); rest.n; ) {
		struct str word = str_cut(&rest, ',');

		if (str_is(word, "bind") || str_is(word, "rbind"))
			return mount_bind(v, name, str_is(word, "rbind"), ret, e);
	}
	return mount_fs(v, name, type, ret, e);
}
