/* SPDX-License-Identifier: Apache-2.0 */
/* Overlay mounts of layers, and turning an upper directory into a layer. */
#include "cache/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "cache/diff.h"
#include "cache/layer_dir.h"
#include "cache/lease.h"
#include "cache/names.h"
#include "cache/overlay.h"
#include "cache/whiteout.h"

struct snapshot {
	struct layer **layers;		/* base first, without empty ones */
	size_t nlayers;
	int mount;			/* root of the merged tree, O_PATH; -1 once taken */
	int lease;			/* the lease's directory, borrowed */
	char id[STORE_ID_MAX];		/* our directory there: u (upper), w (work) */
	int home;			/* it, O_PATH; -1 for a read-only snapshot of layers */
	int upper;			/* -1: read-only */
	bool userns, taken, durable;
};

/* The upper directory's own attributes are those of the merged root: the ones below shall be seen. */
static int copy_root(const struct snapshot *s, const char *name, struct err *e)
{
	struct stat st = { .st_mode = 0755 };

	if (s->nlayers && fstat(layer_fd(s->layers[s->nlayers - 1]), &st) < 0)
		return err_sys(e, "stat a layer's root");
	if (fchownat(s->upper, "", st.st_uid, st.st_gid, AT_EMPTY_PATH) < 0 ||
	    fchmodat(s->home, name, st.st_mode & 07777, 0) < 0)
		return err_sys(e, "set up a writable directory");
	return 0;
}

static int make_home(struct snapshot *s, struct err *e)
{
	store_id(s->id);
	if (mkdirat(s->lease, s->id, 0700) < 0)
		return err_sys(e, "create a work directory");
	s->home = openat(s->lease, s->id, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->home < 0 || mkdirat(s->home, "u", 0755) < 0 || mkdirat(s->home, "w", 0700) < 0)
		return err_sys(e, "create a work directory");
	s->upper = openat(s->home, "u", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->upper < 0)
		return err_sys(e, "open a work directory");
	return copy_root(s, "u", e);
}

static int mount_layers(const struct snapshot *s, int upper, int work, int *ret, struct err *e)
{
	int *lowers = xcalloc(s->nlayers + 1, sizeof(int));
	struct overlay_spec o = { .lowers = lowers, .nlowers = s->nlayers, .upper = upper, .work = work,
				  .durable = s->durable, .userns = s->userns, .scratch = s->home >= 0 ? s->home : s->lease };
	int r;

	for (size_t i = 0; i < s->nlayers; i++)
		lowers[i] = layer_fd(s->layers[s->nlayers - 1 - i]);
	r = overlay_mount(&o, OVERLAY_AUTO, ret, e);
	free(lowers);
	return r;
}

static int mount_upper(struct snapshot *s, const char *name, struct err *e)
{
	auto_fd int work = -1;

	if (s->nlayers == 0)	/* no overlay: it would only add marks that hide what is not there */
		return overlay_bind(s->upper, false, &s->mount, e);
	work = openat(s->home, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (work < 0)
		return err_sys(e, "open a work directory");
	return mount_layers(s, s->upper, work, &s->mount, e);
}

static int mount_rw(struct snapshot *s, struct err *e)
{
	return make_home(s, e) < 0 ? -1 : mount_upper(s, "w", e);
}

/* The directories of a container; the upper's root gets its attributes once, then it is the container's own. */
static int mount_kept(struct snapshot *s, int dir, struct err *e)
{
	bool fresh = mkdirat(dir, "upper", 0755) == 0;

	if ((!fresh && errno != EEXIST) || (mkdirat(dir, "work", 0700) < 0 && errno != EEXIST))
		return err_sys(e, "create a writable directory");
	s->home = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	s->upper = openat(dir, "upper", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->home < 0 || s->upper < 0)
		return err_sys(e, "open a writable directory");
	if (fresh && copy_root(s, "upper", e) < 0)
		return -1;
	return mount_upper(s, "work", e);
}

/* Overlayfs wants two directories for a read-only mount; an empty one stands in. */
static int mount_ro(struct snapshot *s, struct err *e)
{
	struct layer *one;
	int r;

	if (s->nlayers > 1)
		return mount_layers(s, -1, -1, &s->mount, e);
	if (make_home(s, e) < 0)
		return -1;
	if (s->nlayers == 0)
		return overlay_bind(s->upper, true, &s->mount, e);
	one = s->layers[0];
	s->layers[1] = one;
	s->layers[0] = layer_new(take_fd(&s->upper), -1, NULL);
	s->nlayers = 2;
	r = mount_layers(s, -1, -1, &s->mount, e);
	return r;
}

/* One layer twice in an image (COPY a /, something else, COPY a / again): overlayfs refuses the same directory twice. The
 * lower one goes: whatever it has or hides, the upper one has or hides as well. */
static int drop_doubles(struct snapshot *s, struct err *e)
{
	auto_free struct stat *st = xcalloc(s->nlayers + 1, sizeof(*st));
	size_t n = 0;

	for (size_t i = 0; i < s->nlayers; i++)
		if (fstat(layer_fd(s->layers[i]), &st[i]) < 0)
			return err_sys(e, "stat a layer");
	for (size_t i = 0; i < s->nlayers; i++) {
		struct layer *l = s->layers[i];
		bool again = false;

		for (size_t k = i + 1; k < s->nlayers && !again; k++)
			again = st[i].st_dev == st[k].st_dev && st[i].st_ino == st[k].st_ino;
		s->layers[i] = NULL;
		if (again)
			layer_unref(l);
		else
			s->layers[n++] = l;
	}
	s->nlayers = n;
	return 0;
}

/* All layers are directories afterwards. */
static int mount_each(struct snapshot *s, struct err *e)
{
	for (size_t i = 0; i < s->nlayers; i++)
		if (layer_mount(s->layers[i], e) < 0)
			return -1;
	return drop_doubles(s, e);
}

static struct snapshot *snapshot_new(int lease, struct layer *const *layers, size_t n)
{
	struct snapshot *s = xcalloc(1, sizeof(*s));

	*s = (struct snapshot){ .mount = -1, .home = -1, .upper = -1, .lease = lease, .userns = whiteout_userns() };
	s->layers = xcalloc(n + 2, sizeof(*s->layers));
	for (size_t i = 0; i < n; i++)
		if (!layers[i]->empty)
			s->layers[s->nlayers++] = layer_ref(layers[i]);
	return s;
}

int snapshot_open(struct store *store UNUSED, struct lease *l, struct layer *const *layers, size_t n, bool rw,
		  struct snapshot **ret, struct err *e)
{
	struct snapshot *s = snapshot_new(lease_dirfd(l), layers, n);

	if (mount_each(s, e) < 0 || (rw ? mount_rw(s, e) : mount_ro(s, e)) < 0) {
		snapshot_free(s);
		return err_wrap(e, "mount a tree of layers");
	}
	*ret = s;
	return 0;
}

int snapshot_open_kept(int dir, struct layer *const *layers, size_t n, bool durable, struct snapshot **ret,
		       struct err *e)
{
	struct snapshot *s = snapshot_new(-1, layers, n);

	s->durable = durable;
	s->taken = true;	/* not ours to remove */
	if (mount_each(s, e) < 0 || mount_kept(s, dir, e) < 0) {
		snapshot_free(s);
		return err_wrap(e, "mount the container's tree");
	}
	*ret = s;
	return 0;
}

int snapshot_fd(const struct snapshot *s)
{
	return s->mount;
}

void snapshot_free(struct snapshot *s)
{
	auto_err struct err ignored = { 0 };

	if (!s)
		return;
	if (s->mount >= 0)
		close(s->mount);
	if (s->upper >= 0)
		close(s->upper);
	if (s->home >= 0) {
		close(s->home);
		if (!s->taken)
			(void)!fs_remove(s->lease, s->id, &ignored);
	}
	for (size_t i = 0; i < s->nlayers; i++)
		layer_unref(s->layers[i]);
	free(s->layers);
	free(s);
}

/* The tree that the upper was on: the one layer itself, or a mount of them all. */
static int open_below(struct snapshot *s, int *ret, struct err *e)
{
	auto_fd int mount = -1;

	if (s->nlayers > 1 && mount_layers(s, -1, -1, &mount, e) < 0)
		return -1;
	*ret = openat(mount >= 0 ? mount : layer_fd(s->layers[0]), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open the layers below") : 0;
}

static int reduce(struct snapshot *s, bool *empty, struct err *e)
{
	auto_fd int upper = openat(s->upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), below = -1;
	auto_names struct names names = { 0 };

	if (upper < 0 || names_read(upper, &names) < 0)
		return err_sys(e, "list a step's changes");
	*empty = names.n == 0;
	if (*empty)
		return 0;
	if (s->nlayers && open_below(s, &below, e) < 0)
		return -1;
	return diff_reduce(upper, below, s->userns, empty, e);
}

int snapshot_take(struct snapshot *s, struct layer **ret, struct err *e)
{
	bool empty;

	if (s->mount >= 0)
		close(take_fd(&s->mount));
	if (reduce(s, &empty, e) < 0 || copy_root(s, "u", e) < 0)
		return -1;
	*ret = layer_new(take_fd(&s->upper), take_fd(&s->home), "u");
	(*ret)->empty = empty;
	s->taken = true;
	return 0;
}
