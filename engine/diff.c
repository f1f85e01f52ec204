/* SPDX-License-Identifier: Apache-2.0 */
/* The upper directory beside the image's tree: what is in it is new or changed, its whiteouts are deletions. */
#include "engine/diff.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "base/fs.h"
#include "cache/lease.h"
#include "cache/names.h"
#include "cache/snapshot.h"
#include "cache/whiteout.h"
#include "engine/tree.h"
#include "runtime/container/container.h"

struct diff {
	struct job *job;
	bool userns;
	struct buf path;	/* of what is in work; no leading slash */
	struct strv *out;
};

static void say(struct diff *d, char what, size_t at)
{
	char *line = xasprintf("%c /%s", what, d->path.p);

	strv_take(d->out, line);
	for (size_t i = d->out->n - 1; i > at; i--) {	/* a directory is told of before what is in it */
		char *t = d->out->v[i];

		d->out->v[i] = d->out->v[i - 1];
		d->out->v[i - 1] = t;
	}
}

static bool same_dir(const struct stat *a, const struct stat *b)
{
	return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid;
}

static int walk(struct diff *d, int upper, int lower, struct err *e);

static int below(struct diff *d, int upper, int lower, const char *name, struct err *e)
{
	auto_fd int up = openat(upper, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), low = -1;

	if (up < 0)
		return errno == ENOENT ? 0 : err_sys(e, "look at /%s", d->path.p);
	if (lower >= 0)
		low = openat(lower, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return walk(d, up, low, e);
}

static int entry(struct diff *d, int upper, int lower, const char *name, struct err *e)
{
	struct stat st, old;
	bool was = lower >= 0 && fstatat(lower, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
	size_t at = d->out->n;

	if (fstatat(upper, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "look at /%s", d->path.p);
	if (whiteout_is(&st)) {
		if (was)
			say(d, 'D', at);
		return 0;
	}
	if (!was && tree_is_stub(d->path.p, upper, name) && !S_ISDIR(st.st_mode))
		return 0;
	if (S_ISDIR(st.st_mode) && below(d, upper, lower, name, e) < 0)
		return -1;
	if (!was && tree_is_stub(d->path.p, upper, name) && d->out->n == at)
		return 0;
	if (!was)
		say(d, 'A', at);
	else if (!S_ISDIR(st.st_mode) || !same_dir(&st, &old) || d->out->n > at)
		say(d, 'C', at);
	return 0;
}

static int each(struct diff *d, int upper, int lower, const char *name, struct err *e)
{
	size_t len = d->path.n;
	int r;

	if (len)
		buf_putc(&d->path, '/');
	buf_puts(&d->path, name);
	r = entry(d, upper, lower, name, e);
	d->path.n = len;
	d->path.p[len] = '\0';
	return r;
}

/* What an opaque directory hides has been deleted. */
static int hidden(struct diff *d, const struct names *there, int lower, struct err *e)
{
	auto_names struct names old = { 0 };

	if (names_read(lower, &old) < 0)
		return err_sys(e, "list /%s", d->path.p);
	for (size_t i = 0; i < old.n; i++) {
		size_t len = d->path.n;

		if (names_find(there, old.v[i].s))
			continue;
		buf_printf(&d->path, "/%s", old.v[i].s);
		say(d, 'D', d->out->n);
		d->path.n = len;
		d->path.p[len] = '\0';
	}
	return 0;
}

static int walk(struct diff *d, int upper, int lower, struct err *e)
{
	auto_names struct names names = { 0 };

	if (job_check(d->job, e) < 0)
		return -1;
	if (names_read(upper, &names) < 0)
		return err_sys(e, "list /%s", d->path.p ? d->path.p : "");
	for (size_t i = 0; i < names.n; i++)
		if (each(d, upper, lower, names.v[i].s, e) < 0)
			return -1;
	return lower >= 0 && opaque_get(upper, d->userns) > 0 ? hidden(d, &names, lower, e) : 0;
}

static int compare(struct diff *d, struct tree *t, struct lease *l, struct err *e)
{
	auto_snapshot struct snapshot *image = NULL;
	auto_fd int upper = openat(t->container->dir, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC), lower = -1;

	if (upper < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open the container's files");
	if (tree_image(t, l, &image, e) < 0)
		return -1;
	lower = openat(snapshot_fd(image), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return lower < 0 ? err_sys(e, "open the image's files") : walk(d, upper, lower, e);
}

int engine_diff(struct job *j, struct store *s, const char *container, struct strv *ret, struct err *e)
{
	struct diff d = { .job = j, .userns = whiteout_userns(), .out = ret };
	struct lease *l = NULL;
	struct tree t = { .store = s, .root = -1, .ns = -1, .target = { .pidfd = -1, .proc = -1 } };
	int r = container_open(s, container, &t.container, e);

	buf_puts(&d.path, "");
	if (r == 0)
		r = lease_new(s, &l, e);
	if (r == 0)
		r = compare(&d, &t, l, e);
	tree_close(&t);
	lease_free(l);
	buf_done(&d.path);
	return r;
}
