/* SPDX-License-Identifier: Apache-2.0 */
/* The upper directory, as a tar with whiteouts, becomes a layer as one from elsewhere would. */
#include "engine/commit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cache/layer.h"
#include "cache/lease.h"
#include "cache/names.h"
#include "cache/whiteout.h"
#include "engine/control.h"
#include "engine/image.h"
#include "engine/tar_pipe.h"
#include "engine/tree.h"
#include "runtime/container/container.h"
#include "runtime/container/jsontext.h"

#define EMPTY_TAR 1024		/* bytes: two blocks of zeros */

/* ---- the layer ---- */

/* Mount points that a start made are no change, as long as nothing is in them. */
static bool is_stub(void *arg UNUSED, const char *path, int dir, const char *name)
{
	auto_names struct names names = { 0 };
	auto_fd int fd = -1;

	if (!tree_is_stub(path, dir, name))
		return false;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 || (names_read(fd, &names) == 0 && names.n == 0);
}

static int add_layer(struct job *j, struct store *s, int upper, struct config *c, bool *empty, struct err *e)
{
	struct tree_tar how = { .upper = true, .userns = whiteout_userns(), .skip = is_stub };
	auto_layer struct layer *l = NULL;
	struct lease *lease = NULL;
	struct tar_pipe p;
	struct job_fd src;
	int r;

	if (lease_new(s, &lease, e) < 0)
		return -1;
	r = tar_pipe_start(&p, j, upper, &how, e);
	if (r == 0) {
		src = (struct job_fd){ j, p.in };
		r = layer_unpack(j, s, lease, job_fd_get, &src, &l, e);
		r = tar_pipe_end(&p, r, e);
	}
	*empty = r == 0 && p.bytes <= EMPTY_TAR;
	if (r == 0 && !*empty) {
		r = layer_publish(s, &l, 1, e);
		if (r == 0)
			r = store_pin(s, layer_diff_id(l), e);
		if (r == 0)
			config_add_diff_id(c, layer_diff_id(l));
	}
	lease_free(lease);
	return r;
}

/* ---- the config ---- */

static void take_list(struct config *c, enum config_list which, const json_t *config, const char *key)
{
	auto_strv struct strv all = { 0 }, kept = { 0 };

	jsontext_strv(json_object_get(config, key), &all);
	for (size_t i = 0; i < all.n; i++)
		if (which != CONFIG_ENV || strchr(all.v[i], '='))	/* "K" alone: not there */
			strv_add(&kept, all.v[i]);
	config_set_list(c, which, &kept);
}

static void take_text(struct config *c, enum config_str which, const json_t *config, const char *key)
{
	auto_free char *text = jsontext_bytes(json_object_get(config, key));

	config_set_str(c, which, text);
}

static void take_set(struct config *c, enum config_set which, const json_t *config, const char *key)
{
	const json_t *value;
	const char *name;

	json_object_foreach(json_object_get(config, key), name, value)
		config_set_add(c, which, name);
}

/* What the container was told when it was made. */
static void take_config(struct config *c, const struct container *from)
{
	const json_t *config = json_object_get(from->config, "Config"), *value;
	const char *key;

	take_list(c, CONFIG_ENV, config, "Env");
	take_list(c, CONFIG_CMD, config, "Cmd");
	take_list(c, CONFIG_ENTRYPOINT, config, "Entrypoint");
	take_text(c, CONFIG_USER, config, "User");
	take_text(c, CONFIG_WORKDIR, config, "WorkingDir");
	if (json_object_get(config, "StopSignal"))
		take_text(c, CONFIG_STOP_SIGNAL, config, "StopSignal");
	take_set(c, CONFIG_PORTS, config, "ExposedPorts");
	take_set(c, CONFIG_VOLUMES, config, "Volumes");
	json_object_foreach(json_object_get(config, "Labels"), key, value) {
		auto_free char *text = jsontext_bytes(value);

		config_label_set(c, key, text);
	}
}

static void add_history(struct config *c, const struct commit_args *a, const struct container *from, bool empty)
{
	auto_strv struct strv cmd = { 0 };
	auto_buf struct buf line = { 0 };
	struct config_history h = { .has_created = true, .created_ns = clock_now_ns(), .comment = a->message,
				    .author = a->author, .empty_layer = empty };

	jsontext_strv(json_object_get(json_object_get(from->config, "Config"), "Cmd"), &cmd);
	for (size_t i = 0; i < cmd.n; i++)
		buf_printf(&line, "%s%s", i ? " " : "", cmd.v[i]);
	h.created_by = line.p ? line.p : "";
	if (a->author)
		config_set_str(c, CONFIG_AUTHOR, a->author);
	config_set_created(c, h.created_ns);
	config_add_history(c, &h);
}

static int commit(struct job *j, struct store *s, const struct commit_args *a, const struct container *c,
		  struct image_row *ret, struct err *e)
{
	auto_fd int upper = openat(c->dir, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_image struct image base = { 0 };
	struct config *changed = NULL;
	char name[REF_TEXT_MAX];
	bool empty = true;
	int r;

	if ((a->name && transfer_check_name(a->name, name, e) < 0) || image_open(s, container_text(c, "Image", NULL), &base, e) < 0)
		return -1;
	take_config(base.config, c);
	if (transfer_changes(base.config, &a->changes, &changed, e) < 0)
		return -1;
	r = upper < 0 ? 0 : add_layer(j, s, upper, changed, &empty, e);
	if (r == 0) {
		add_history(changed, a, c, empty);
		r = local_put(s, changed, a->name ? name : NULL, ret, e);
	}
	config_free(changed);
	return r;
}

int engine_commit(struct job *j, struct store *s, const struct commit_args *a, struct image_row *ret, struct err *e)
{
	auto_err struct err ignored = { 0 };
	struct container *c;
	bool paused;
	int r;

	if (container_open(s, a->container, &c, e) < 0)
		return -1;
	paused = a->pause && c->state.status == CONTAINER_RUNNING && engine_pause(j, s, c->id, true, &ignored) == 0;
	r = commit(j, s, a, c, ret, e);
	err_clear(&ignored);
	if (paused)
		(void)!engine_pause(j, s, c->id, false, &ignored);
	container_free(c);
	return r;
}
