/* SPDX-License-Identifier: Apache-2.0 */
/* What changes a record that exists: its lock for a start, its name, what is asked for. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cache/store.h"
#include "runtime/container/container.h"
#include "runtime/container/record.h"

#define LEAVE_PATIENCE_MS 10000		/* for the monitor of a container that has ended */

int container_reload(struct container *c, struct err *e)
{
	struct stat st;

	if (fstat(c->dir, &st) < 0 || st.st_nlink == 0)
		return err_set(e, ERR_NOT_FOUND, "No such container: %s", c->id);
	free(c->state.error);
	c->state = (struct container_state){ 0 };
	json_decref(c->config);
	c->config = NULL;
	record_load(c);
	record_judge(c);
	return 0;
}

int container_reload_config(struct container *c, struct err *e)
{
	struct container_state st = c->state;

	c->state = (struct container_state){ 0 };
	json_decref(c->config);
	c->config = NULL;
	record_load(c);
	free(c->state.error);
	c->state = st;
	if (!*container_text(c, "Name", NULL))
		return err_set(e, ERR_CORRUPT, "container %s: its record is damaged", c->id);
	free(c->name);
	c->name = xstrdup(container_text(c, "Name", NULL) + 1);
	return 0;
}

int container_lock(struct container *c, struct err *e)
{
	int64_t until = clock_mono_ns() + (int64_t)LEAVE_PATIENCE_MS * 1000000;

	do {
		bool locked = flock(c->dir, LOCK_EX | LOCK_NB) == 0;

		if (!locked && container_reload(c, e) < 0)
			return -1;
		if (!locked && container_is_live(c))
			return 1;
		if (locked) {	/* ours: what the record says of a live one cannot be true */
			struct stat st;

			if (fstat(c->dir, &st) < 0 || st.st_nlink == 0)
				return err_set(e, ERR_NOT_FOUND, "No such container: %s", c->id);
			free(c->state.error);
			c->state = (struct container_state){ 0 };
			json_decref(c->config);
			c->config = NULL;
			record_load(c);
			return 0;
		}
		poll(NULL, 0, 2);
	} while (clock_mono_ns() < until);
	return err_set(e, ERR_CONFLICT, "container \"/%s\" is being changed by another process", c->name);
}

static int config_lock(struct container *c, int *ret, struct err *e)
{
	auto_fd int fd = openat(c->dir, "config.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "lock config.json of the container");
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, "lock config.json of the container");
	*ret = take_fd(&fd);
	return 0;
}

int container_config_change(struct container *c, int (*change)(json_t *config, void *arg, struct err *e), void *arg,
			    struct err *e)
{
	auto_fd int lock = -1;
	auto_free char *text = NULL;

	if (config_lock(c, &lock, e) < 0 || container_reload(c, e) < 0 || change(c->config, arg, e) < 0)
		return -1;
	text = json_dumps(c->config, JSON_INDENT(2) | JSON_ENCODE_ANY);
	if (!text)
		return err_set(e, ERR_SYS, "write config.json of the container");
	return fs_replace(c->dir, "config.json", text, strlen(text), 0600, c->durable, e);
}

static int set_name(json_t *config, void *arg, struct err *e UNUSED)
{
	json_object_set_new(config, "Name", json_string(arg));
	return 0;
}

int container_rename(struct container *c, const char *name, struct err *e)
{
	int top = store_dir(c->store, STORE_CONTAINERS, e);
	auto_free char *slash = xasprintf("/%s", name);
	auto_fd int names = -1;

	if (top < 0)
		return -1;
	if (!container_name_ok(name))
		return err_set(e, ERR_USAGE, "Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
	if (strcmp(name, c->name) == 0)
		return err_set(e, ERR_USAGE, "Renaming a container with the same name as its current name");
	names = openat(top, "names", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (names < 0 || flock(names, LOCK_EX) < 0)
		return err_sys(e, "lock the containers' names");
	if (record_name_claim(c->store, top, name, c->id, e) < 0)
		return -1;
	if (container_config_change(c, set_name, slash, e) < 0) {
		record_name_release(top, name, c->id);
		return -1;
	}
	record_name_release(top, c->name, c->id);
	free(c->name);
	c->name = xstrdup(name);
	return 0;
}
