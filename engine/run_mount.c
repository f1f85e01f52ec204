/* SPDX-License-Identifier: Apache-2.0 */
/* -v and --tmpfs: grammar and conflicts (spec/runtime.md section 1). */
#include "engine/run_mount.h"

#include "runtime/container/volume.h"

static void mount_done(struct run_mount *m)
{
	free(m->src);
	free(m->dst);
	free(m->mode);
	free(m->data);
	free(m->subpath);
	strv_done(&m->labels);
	strv_done(&m->options);
}

void run_mounts_done(struct run_mounts *l)
{
	for (size_t i = 0; i < l->n; i++)
		mount_done(&l->v[i]);
	free(l->v);
	*l = (struct run_mounts){ 0 };
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

int run_mounts_add(struct run_mounts *l, struct run_mount *m, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct run_mount *o = &l->v[i];
		bool same = o->type == m->type && o->flags == m->flags && m->src && same_text(o->src, m->src) &&
			    same_text(o->data, m->data) && same_text(o->subpath, m->subpath);

		if (strcmp(o->dst, m->dst) != 0)
			continue;
		if (!same)
			err_set(e, ERR_USAGE, "Duplicate mount point: %s", m->dst);
		mount_done(m);
		return same ? 0 : -1;
	}
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = *m;
	return 0;
}

static int check_dst(const char *text, struct str dst, struct err *e)
{
	if (!str_starts(dst, "/"))
		return err_set(e, ERR_USAGE, "invalid volume specification: '%s': mount path must be absolute: " STR_FMT, text,
			       STR_ARG(dst));
	if (dst.n == strspn(dst.p, "/"))
		return err_set(e, ERR_USAGE, "invalid volume specification: '%s': destination can't be '/'", text);
	return 0;
}

enum mode_class { MODE_RW, MODE_IDMAP, MODE_LABEL, MODE_COPY, MODE_PROPAGATION, MODE_CACHE, MODE_EXEC, MODE_CLASSES };

static const struct mode {
	const char *word;
	enum mode_class class;		/* one word of each at most */
	unsigned flags;
	enum spec_propagation propagation;
	bool no_rec;			/* only this mount, not those below */
} modes[] = {
	{ "rw", MODE_RW, 0, 0, false }, { "ro", MODE_RW, SPEC_RO, 0, false },
	{ "copy", MODE_COPY, 0, 0, false }, { "nocopy", MODE_COPY, 0, 0, false },
	{ "rprivate", MODE_PROPAGATION, 0, SPEC_PRIVATE, false }, { "private", MODE_PROPAGATION, 0, SPEC_PRIVATE, true },
	{ "rslave", MODE_PROPAGATION, 0, SPEC_SLAVE, false }, { "slave", MODE_PROPAGATION, 0, SPEC_SLAVE, true },
	{ "rshared", MODE_PROPAGATION, 0, SPEC_SHARED, false }, { "shared", MODE_PROPAGATION, 0, SPEC_SHARED, true },
	/* hints for file sharing of other systems: no meaning on Linux, for Docker neither */
	{ "consistent", MODE_CACHE, 0, 0, false }, { "cached", MODE_CACHE, 0, 0, false },
	{ "delegated", MODE_CACHE, 0, 0, false },
	{ "exec", MODE_EXEC, 0, 0, false }, { "noexec", MODE_EXEC, SPEC_NOEXEC, 0, false },
	/* SELinux labels: this system must have none for these to mean nothing, see set_mode() */
	{ "z", MODE_LABEL, 0, 0, false }, { "Z", MODE_LABEL, 0, 0, false },
	{ "idmap", MODE_IDMAP, 0, 0, false },
};

static int set_mode(struct run_mount *m, struct str text, struct err *e)
{
	bool seen[MODE_CLASSES] = { false };
	struct str rest = text;

	while (rest.p && text.n) {
		struct str word = str_cut(&rest, ',');
		const struct mode *found = NULL;

		for (size_t i = 0; i < countof(modes); i++)
			if (str_is(word, modes[i].word))
				found = &modes[i];
		if (!found || seen[found->class] || (found->class == MODE_COPY && m->type == RUN_MOUNT_BIND) ||
		    (found->class == MODE_IDMAP && m->type != RUN_MOUNT_BIND))
			return err_set(e, ERR_USAGE, "invalid mode: " STR_FMT, STR_ARG(text));
		if (found->class == MODE_LABEL && access("/sys/fs/selinux/enforce", F_OK) == 0)
			return err_set(e, ERR_USAGE, "invalid mode: " STR_FMT ": SELinux labels cannot be changed yet",
				       STR_ARG(word));
		seen[found->class] = true;
		m->flags |= found->flags;
		m->no_copy = m->no_copy || str_is(word, "nocopy");
		m->idmap = m->idmap || found->class == MODE_IDMAP;
		if (found->class == MODE_PROPAGATION)
			m->propagation = found->propagation;
		if (found->no_rec)
			m->flags &= ~(unsigned)SPEC_REC;
	}
	return 0;
}

static bool is_mode(struct str s)
{
	for (size_t i = 0; i < countof(modes); i++)
		if (str_is(s, modes[i].word))
			return true;
	return false;
}

static int set_source(struct run_mount *m, struct str src, const char *cwd, struct err *e)
{
	auto_free char *text = str_dup(src);
	auto_free char *full = src.p && src.p[0] == '.' ? xasprintf("%s/%s", cwd, text) : NULL;

	if (!src.p) {
		m->anonymous = true;
		return 0;
	}
	if (src.p[0] == '/' || src.p[0] == '.') {
		m->type = RUN_MOUNT_BIND;
		m->src = str_path_clean(full ? full : text);
		m->flags |= SPEC_REC;
		return 0;
	}
	if (!volume_name_ok(text)) {
		err_set(e, ERR_USAGE, "\"%s\" includes invalid characters for a local volume name, only "
			"\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed", text);
		return err_hint(e, "a host directory is given by an absolute path, or one that starts with \"./\"");
	}
	m->src = take_ptr(&text);
	return 0;
}

int run_mounts_volume(struct run_mounts *l, const char *text, const char *cwd, struct err *e)
{
	struct run_mount m = { .type = RUN_MOUNT_VOLUME };
	struct str part[4] = { 0 }, rest = str_of(text), src = { 0 }, mode = { 0 };
	auto_free char *dst = NULL;
	size_t n = 0;

	while (rest.p && n < countof(part)) {
		part[n++] = str_cut(&rest, ':');
		if (part[n - 1].n == 0)
			return err_set(e, ERR_USAGE, "invalid volume specification: '%s': empty section between colons", text);
	}
	if (n > 3 || (n == 2 && is_mode(part[1])))
		return err_set(e, ERR_USAGE, "invalid volume specification: '%s'", text);
	dst = str_dup(part[n > 1]);
	if (n > 1)
		src = part[0];
	if (n > 2)
		mode = part[2];
	if (check_dst(text, part[n > 1], e) < 0)
		return -1;
	if (set_source(&m, src, cwd, e) < 0 || set_mode(&m, mode, e) < 0) {
		mount_done(&m);
		return -1;
	}
	m.mode = str_dup(mode);
	m.dst = str_path_clean(dst);
	return run_mounts_add(l, &m, e);
}

static const struct tmpfs_flag {
	const char *word;
	unsigned set, clear;
} tmpfs_flags[] = {
	{ "rw", 0, SPEC_RO }, { "ro", SPEC_RO, 0 }, { "exec", 0, SPEC_NOEXEC }, { "noexec", SPEC_NOEXEC, 0 },
	{ "suid", 0, SPEC_NOSUID }, { "nosuid", SPEC_NOSUID, 0 }, { "nodev", SPEC_NODEV, 0 },
	{ "noatime", SPEC_NOATIME, 0 }, { "relatime", 0, SPEC_NOATIME },
};

static bool tmpfs_flag(struct run_mount *m, struct str word)
{
	for (size_t i = 0; i < countof(tmpfs_flags); i++)
		if (str_is(word, tmpfs_flags[i].word)) {
			m->flags = (m->flags | tmpfs_flags[i].set) & ~tmpfs_flags[i].clear;
			return true;
		}
	return false;
}

/* size=64m and its like; a later one of the same key takes the place of an earlier. */
static bool tmpfs_value(struct strv *data, struct str word)
{
	static const char *const keys[] = { "size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "huge", "mpol" };
	struct str value = word, key = str_cut(&value, '=');

	for (size_t i = 0; i < countof(keys); i++) {
		auto_free char *v = str_dup(value);

		if (!value.n || !str_is(key, keys[i]))
			continue;
		strv_env_set(data, keys[i], v);
		return true;
	}
	return false;
}

int run_mounts_tmpfs(struct run_mounts *l, const char *text, struct err *e)
{
	struct run_mount m = { .type = RUN_MOUNT_TMPFS, .flags = SPEC_NOSUID | SPEC_NODEV | SPEC_NOEXEC };
	struct str options = str_of(text), dst = str_cut(&options, ':'), rest = options;
	auto_free char *raw = str_dup(dst);
	auto_strv struct strv data = { 0 };
	auto_buf struct buf b = { 0 };

	if (check_dst(text, dst, e) < 0)
		return -1;
	while (rest.p && rest.n) {
		struct str word = str_cut(&rest, ',');

		if (!tmpfs_flag(&m, word) && !tmpfs_value(&data, word))
			return err_set(e, ERR_USAGE, "invalid tmpfs option [\"" STR_FMT "\"]", STR_ARG(word));
	}
	for (size_t i = 0; i < data.n; i++)
		buf_printf(&b, "%s%s", i ? "," : "", data.v[i]);
	m.mode = str_dup(options);
	m.dst = str_path_clean(raw);
	m.data = b.n ? buf_take(&b) : NULL;
	return run_mounts_add(l, &m, e);
}

int run_mounts_image(struct run_mounts *l, const struct strv *paths, struct err *e)
{
	for (size_t i = 0; i < paths->n; i++) {
		auto_free char *dst = str_path_clean(paths->v[i]);
		bool taken = strcmp(dst, "/") == 0;
		struct run_mount m = { .type = RUN_MOUNT_VOLUME, .anonymous = true };

		for (size_t k = 0; k < l->n; k++)
			taken = taken || strcmp(l->v[k].dst, dst) == 0;
		if (taken)
			continue;
		m.dst = take_ptr(&dst);
		m.mode = xstrdup("");
		if (run_mounts_add(l, &m, e) < 0)
			return -1;
	}
	return 0;
}

static size_t depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

void run_mounts_sort(struct run_mounts *l)
{
	for (size_t i = 1; i < l->n; i++)	/* stable, and there are few */
		for (size_t k = i; k && depth(l->v[k - 1].dst) > depth(l->v[k].dst); k--) {
			struct run_mount m = l->v[k];

			l->v[k] = l->v[k - 1];
			l->v[k - 1] = m;
		}
}
