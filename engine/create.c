/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments -> image -> config.json: a container that waits to be started. */
#include <errno.h>
#include <fcntl.h>

#include "base/fs.h"
#include "cache/layer.h"
#include "cache/store.h"
#include "engine/pull.h"
#include "engine/run.h"
#include "engine/run_join.h"
#include "engine/run_net.h"
#include "engine/run_record.h"
#include "engine/run_spec.h"
#include "engine/run_volume.h"
#include "runtime/container/detach.h"
#include "runtime/container/eventlog.h"

struct create {
	struct job *job;
	struct store *store;
	const struct run_args *args;
	char id[CONTAINER_ID_MAX];
	struct image image;
	bool fetching;			/* the image is not here */
	struct run_mounts mounts;
	char *network;			/* run_net_mode(); owned */
	struct digest *diff_ids;
	struct start *start;
	bool cidfile;			/* we have made it */
};

/* What concerns the caller alone, and is in no record. */
static int check_args(const struct run_args *a, struct err *e)
{
	static const char *const streams[] = { "stdin", "stdout", "stderr" };
	struct detach keys;

	for (size_t i = 0; i < a->attach.n; i++)
		if (strcmp(a->attach.v[i], streams[0]) != 0 && strcmp(a->attach.v[i], streams[1]) != 0 &&
		    strcmp(a->attach.v[i], streams[2]) != 0)
			return err_set(e, ERR_USAGE, "valid streams are STDIN, STDOUT and STDERR, not \"%s\"", a->attach.v[i]);
	if (a->attach.n && a->detach)
		return err_set(e, ERR_USAGE, "conflicting options: cannot specify both --attach and --detach");
	return detach_parse(a->detach_keys, &keys, e);
}

/* "CONTAINER[:ro|:rw]" */
static int take_from(struct create *r, const char *text, struct err *e)
{
	struct str mode = str_of(text), name = str_cut(&mode, ':');
	auto_free char *ref = str_dup(name);
	struct container *c;
	int ret;

	if (!name.n)
		return err_set(e, ERR_USAGE, "invalid empty container name in --volumes-from");
	if (mode.p && !str_is(mode, "ro") && !str_is(mode, "rw"))
		return err_set(e, ERR_USAGE, "invalid mode: " STR_FMT, STR_ARG(mode));
	if (container_open(r->store, ref, &c, e) < 0)
		return -1;
	ret = run_mounts_from(&r->mounts, json_object_get(c->config, "Mounts"), str_is(mode, "ro"), e);
	container_free(c);
	return ret;
}

static int parse_mounts(struct create *r, struct err *e)
{
	auto_free char *cwd = getcwd(NULL, 0);

	for (size_t i = 0; i < r->args->volumes.n; i++)
		if (run_mounts_volume(&r->mounts, r->args->volumes.v[i], cwd ? cwd : "/", e) < 0)
			return -1;
	for (size_t i = 0; i < r->args->tmpfs.n; i++)
		if (run_mounts_tmpfs(&r->mounts, r->args->tmpfs.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < r->args->mounts.n; i++)
		if (run_mounts_mount(&r->mounts, r->args->mounts.v[i], cwd ? cwd : "/", e) < 0)
			return -1;
	for (size_t i = r->args->volumes_from.n; i-- > 0; )	/* of two with the same place the last one wins */
		if (take_from(r, r->args->volumes_from.v[i], e) < 0)
			return -1;
	return 0;
}

static void tell_missing(void *arg)
{
	struct create *r = arg;

	r->fetching = true;
	event_note(r->job->sink, "Unable to find image '%s' locally", r->args->image);
}

/* From the store, or from its registry. */
static int open_image(struct create *r, struct err *e)
{
	const struct client_options none = { 0 };
	enum pull_policy policy = PULL_MISSING;
	struct platform want;
	struct image_row row;

	if ((r->args->pull && pull_policy_parse(r->args->pull, &policy, e) < 0) ||
	    (r->args->platform && platform_parse(str_of(r->args->platform), &want, e) < 0))
		return -1;
	r->fetching = policy == PULL_ALWAYS;
	if (pull_obtain(r->job, r->store, r->args->registry ? r->args->registry : &none, r->args->image,
			r->args->platform ? &want : NULL, policy, &row, r->fetching ? NULL : tell_missing, r, e) == 0)
		return local_open(r->store, &row, &r->image, e);
	if (e->kind == ERR_NOT_FOUND && !r->fetching) {
		const char *hint = e->hint;

		err_set(e, ERR_NOT_FOUND, "Unable to find image '%s' locally", r->args->image);
		err_hint(e, hint);
	}
	return -1;
}

static int find_image(struct create *r, struct err *e)
{
	auto_strv struct strv volumes = { 0 };

	if (open_image(r, e) < 0)
		return -1;
	config_set(r->image.config, CONFIG_VOLUMES, &volumes);
	if (run_mounts_image(&r->mounts, &volumes, e) < 0)
		return -1;
	run_mounts_sort(&r->mounts);
	run_volumes_name(&r->mounts);
	return 0;
}

/* Pinned for as long as this process has the store open; the record then names them for gc. */
static int open_layers(struct create *r, struct err *e)
{
	size_t n = config_diff_ids(r->image.config);
	struct start *st = r->start;

	st->layers = xcalloc(n + 1, sizeof(*st->layers));
	r->diff_ids = xcalloc(n + 1, sizeof(*r->diff_ids));
	for (size_t i = 0; i < n; i++) {
		r->diff_ids[i] = config_diff_id(r->image.config, i);
		if (store_pin(r->store, &r->diff_ids[i], e) < 0 ||
		    layer_open(r->store, &r->diff_ids[i], &st->layers[i], e) < 0)
			return err_wrap(e, "image %s", r->args->image);
		st->nlayers = i + 1;
	}
	return 0;
}

static int write_cidfile(struct create *r, struct err *e)
{
	const char *path = r->args->cidfile;
	auto_fd int fd = -1;

	if (!path)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EEXIST)
		return err_set(e, ERR_CONFLICT, "container ID file found, make sure the other container isn't running or delete %s",
			       path);
	if (fd < 0)
		return err_sys(e, "create the container ID file %s", path);
	r->cidfile = true;
	return fs_write_all(fd, r->id, strlen(r->id), e) < 0 ? err_wrap(e, "%s", path) : 0;
}

static int make_record(struct create *r, bool by_run, struct err *e)
{
	auto_free char *volumes = xasprintf("%s/%s", store_path(r->store), store_dir_name(STORE_VOLUMES));
	const char *name = r->args->name;
	struct run_spec spec = { 0 };
	json_t *config;
	int ret;

	if (run_record_make(r->args, &r->image, run_mounts_json(&r->mounts, volumes), r->network, r->id,
			    &config, e) < 0)
		return -1;
	ret = run_net_record(r->store, r->args, r->network, config, e);
	if (ret == 0)
		ret = run_join_record(r->store, config, e);
	if (ret == 0)
		ret = run_spec_load(&spec, config, e);		/* what would not start is not created */
	run_spec_done(&spec);
	if (r->args->rm && by_run)
		json_object_set_new(config, "Transient", json_true());
	if (ret == 0)
		ret = container_new(r->store, r->id, name && *name == '/' ? name + 1 : name, config, r->diff_ids,
				    r->start->nlayers, !r->args->rm, &r->start->c, e);
	json_decref(config);
	return ret;
}

static int make(struct create *r, bool by_run, struct err *e)
{
	if (check_args(r->args, e) < 0 || parse_mounts(r, e) < 0 ||
	    run_net_mode(r->store, r->args, &r->network, e) < 0 || find_image(r, e) < 0 || open_layers(r, e) < 0 ||
	    make_record(r, by_run, e) < 0 || write_cidfile(r, e) < 0)
		return -1;
	event_log_container(r->start->c, "create", NULL);
	return 0;
}

/* Nothing shall be left of it. */
static void undo(struct create *r)
{
	auto_err struct err ignored = { 0 };

	if (r->start->c)
		(void)!container_remove(r->start->c, false, &ignored);
	if (r->cidfile)
		(void)unlink(r->args->cidfile);
	start_free(r->start);
}

int engine_create(struct job *j, struct store *s, const struct run_args *a, bool by_run, struct start **ret,
		  struct err *e)
{
	struct create r = { .job = j, .store = s, .args = a, .start = xcalloc(1, sizeof(*r.start)) };
	int result;

	r.start->store = s;
	container_new_id(r.id);
	result = make(&r, by_run, e);
	if (result < 0)
		undo(&r);
	else
		*ret = r.start;
	run_mounts_done(&r.mounts);
	image_done(&r.image);
	free(r.diff_ids);
	free(r.network);
	return result;
}
