/* SPDX-License-Identifier: Apache-2.0 */
/* A container's record: made, changed, found, removed. */
#include "runtime/container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/task.h"
#include "cache/store.h"
#include "runtime/container/names.h"
#include "runtime/container/record.h"
#include "runtime/container/skim.h"
#include "runtime/container/volume.h"

#define NAME_TRIES 6
#define RECORD_MAX ((size_t)16 << 20)	/* bytes of config.json: environments may be large */
#define PARALLEL_MIN 128		/* records; fewer are read by one thread */
#define PARALLEL_MAX 8
#define STOP_PATIENCE_MS 10000		/* for the runner of a killed container to let go of it */

bool container_name_ok(const char *name)
{
	static const char alnum[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t n = strlen(name);

	return n >= 2 && n <= 128 && strchr(alnum, name[0]) && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
									   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")];
}

void container_new_id(char ret[static CONTAINER_ID_MAX])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t raw[32];

	while (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		;
	for (size_t i = 0; i < sizeof(raw); i++) {
		ret[2 * i] = digits[raw[i] >> 4];
		ret[2 * i + 1] = digits[raw[i] & 15];
	}
	ret[64] = '\0';
}

static int names_dir(int top, struct err *e)
{
	int fd;

	if (mkdirat(top, "names", 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make containers/names");
	fd = openat(top, "names", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "open containers/names") : fd;
}

/* Whom names/<name> means, if that container is there: 1, else 0. */
static int name_owner(int top, int names, const char *name, char ret[static CONTAINER_ID_MAX])
{
	ssize_t n = readlinkat(names, name, ret, CONTAINER_ID_MAX - 1);
	struct stat st;

	if (n != CONTAINER_ID_MAX - 1)
		return 0;
	ret[n] = '\0';
	return fstatat(top, ret, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- reading ---- */

bool container_is_live(const struct container *c)
{
	return c->state.status != CONTAINER_CREATED && c->state.status != CONTAINER_EXITED;
}

static bool is_locked(int dir)
{
	if (flock(dir, LOCK_SH | LOCK_NB) < 0)
		return true;
	flock(dir, LOCK_UN);
	return false;
}

int record_read(const struct container *c, const char *name, size_t max, struct buf *ret, struct err *e)
{
	char path[CONTAINER_ID_MAX + 32];
	int top;

	if (c->dir >= 0)
		return fs_read(c->dir, name, max, ret, e);
	top = store_dir(c->store, STORE_CONTAINERS, e);
	snprintf(path, sizeof(path), "%s/%s", c->id, name);
	return top < 0 ? -1 : fs_read(top, path, max, ret, e);
}

/* Of reading a file: is there nothing to be done without it? Else the record has no such file, or a damaged one. */
static bool is_fatal(const struct err *e)
{
	return e->sys == EMFILE || e->sys == ENFILE || e->sys == ENOMEM || e->sys == EACCES;
}

/* A record that a power cut has damaged is still one that can be listed and removed. */
static int load_config(struct container *c, bool brief, struct err *e)
{
	auto_err struct err missing = { 0 };
	auto_buf struct buf config = { 0 }, skimmed = { 0 };
	int r = record_read(c, "config.json", RECORD_MAX, &config, &missing);

	if (r == 0 && brief && skim_record(buf_view(&config), &skimmed))
		c->config = json_loadb(skimmed.p, skimmed.n, JSON_ALLOW_NUL, NULL);
	if (!c->config && config.p)
		c->config = json_loadb(config.p, config.n, JSON_ALLOW_NUL, NULL);
	if (!json_is_object(c->config)) {
		json_decref(c->config);
		c->config = json_object();
	}
	if (r < 0 && is_fatal(&missing)) {
		err_move(e, &missing);
		return err_wrap(e, "container %s", c->id);
	}
	return 0;
}

static int load_state(struct container *c, struct err *e)
{
	auto_err struct err missing = { 0 };
	auto_buf struct buf state = { 0 };

	if (record_read(c, "state.json", RECORD_MAX, &state, &missing) < 0 && missing.sys == ENOENT)
		return 0;
	if (is_fatal(&missing)) {
		err_move(e, &missing);
		return err_wrap(e, "container %s", c->id);
	}
	if (record_state_parse(buf_view(&state), &c->state) < 0)
		c->state = (struct container_state){ .status = CONTAINER_EXITED, .error = xstrdup("the record is damaged") };
	return 0;
}

void record_load(struct container *c)
{
	auto_err struct err ignored = { 0 };

	(void)!load_config(c, false, &ignored);
	(void)!load_state(c, &ignored);
}

/* Invariant 1: what the record says of a live container is true only while its monitor is. */
void record_judge(struct container *c)
{
	if (!container_is_live(c) || is_locked(c->dir))
		return;
	c->state.status = CONTAINER_EXITED;
	c->state.exit_code = 137;
	c->state.pid = 0;
}

static bool auto_removes(const struct container *c)
{
	return json_is_true(json_object_get(json_object_get(c->config, "HostConfig"), "AutoRemove"));
}

static int open_dir(struct container *c, int top, struct err *e)
{
	if (c->dir < 0)
		c->dir = openat(top, c->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->dir >= 0)
		return 0;
	return errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "No such container: %s", c->id)
			       : err_sys(e, "open container %s", c->id);
}

/* Of a brief one the directory is opened only if its lock matters: there may be more of them than descriptors. */
static int load_into(struct container *c, int top, bool brief, struct err *e)
{
	struct stat st;

	if ((!brief && open_dir(c, top, e) < 0) || load_config(c, brief, e) < 0 || load_state(c, e) < 0)
		return -1;
	if (c->state.status == CONTAINER_CREATED && fstatat(top, c->id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, ERR_NOT_FOUND, "No such container: %s", c->id);
	if ((container_is_live(c) || auto_removes(c)) && open_dir(c, top, e) < 0)
		return -1;
	record_judge(c);
	return 0;
}

static int load(struct store *s, int top, const char *id, bool brief, struct container **ret, struct err *e)
{
	struct container *c = xcalloc(1, sizeof(*c));
	const char *name;

	c->store = s;
	c->dir = -1;
	c->durable = true;
	snprintf(c->id, sizeof(c->id), "%s", id);
	if (load_into(c, top, brief, e) < 0) {
		container_free(c);
		return -1;
	}
	name = container_text(c, "Name", NULL);
	c->name = *name ? xstrdup(name + (*name == '/')) : xstrndup(id, CONTAINER_SHORT);
	*ret = c;
	return 0;
}

/* What "run --rm" has made, and "create --rm" once it was started. */
static bool is_left_over(const struct container *c)
{
	bool over = c->state.status == CONTAINER_EXITED ||
		    (c->state.status == CONTAINER_CREATED && json_is_true(json_object_get(c->config, "Transient")));

	return over && auto_removes(c) && !is_locked(c->dir);
}

/* With --rm, and its runner was killed: gone, but for what it has left on disk. */
static void left_over_remove(struct container *c)
{
	auto_err struct err ignored = { 0 };
	auto_strv struct strv volumes = { 0 };

	container_anonymous_volumes(c, &volumes);
	if (container_remove(c, false, &ignored) < 0)
		return;
	for (size_t i = 0; i < volumes.n; i++)
		(void)!volume_remove(c->store, volumes.v[i], &ignored);
}

/* ---- making ---- */

/* Is the owner of a name only left over? Then the name is free after this. */
static bool owner_sweep(struct store *s, int top, const char *id)
{
	auto_err struct err ignored = { 0 };
	struct container *c;
	bool gone;

	if (load(s, top, id, true, &c, &ignored) < 0)
		return true;
	gone = is_left_over(c);
	if (gone)
		left_over_remove(c);
	container_free(c);
	return gone;
}

int record_name_claim(struct store *s, int top, const char *name, const char *id, struct err *e)
{
	auto_fd int names = names_dir(top, e);
	char owner[CONTAINER_ID_MAX];

	if (names < 0)
		return -1;
	for (int tries = 0; tries < 100; tries++) {
		if (symlinkat(id, names, name) == 0)
			return 0;
		if (errno != EEXIST)
			return err_sys(e, "name the container %s", name);
		if (name_owner(top, names, name, owner) && !owner_sweep(s, top, owner))
			break;
		(void)unlinkat(names, name, 0);	/* left by a removal that was killed */
	}
	err_set(e, ERR_CONFLICT, "the container name \"/%s\" is already in use by container \"%s\"", name, owner);
	return err_hint(e, "remove that container with \"tare rm\", or choose another name");
}

void record_name_release(int top, const char *name, const char *id)
{
	auto_err struct err e = { 0 };
	auto_fd int names = names_dir(top, &e);
	char owner[CONTAINER_ID_MAX];
	ssize_t n = names < 0 ? -1 : readlinkat(names, name, owner, sizeof(owner) - 1);

	if (n == CONTAINER_ID_MAX - 1 && memcmp(owner, id, (size_t)n) == 0)
		(void)unlinkat(names, name, 0);
}

static int write_file(struct container *c, const char *name, struct str text, struct err *e)
{
	auto_fd int fd = openat(c->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "create %s of the container", name);
	if (fs_write_all(fd, text.p, text.n, e) < 0)
		return err_wrap(e, "%s of the container", name);
	if (c->durable && fsync(fd) < 0)
		return err_sys(e, "sync %s of the container", name);
	return 0;
}

static int write_layers(struct container *c, const struct digest *layers, size_t n, struct err *e)
{
	auto_buf struct buf b = { 0 };

	for (size_t i = 0; i < n; i++) {
		char hex[DIGEST_TEXT_MAX];

		buf_puts(&b, digest_hex(&layers[i], hex));
		buf_putc(&b, '\n');
	}
	return write_file(c, "layers", buf_view(&b), e);
}

static int write_config(struct container *c, struct err *e)
{
	auto_free char *text = json_dumps(c->config, JSON_INDENT(2) | JSON_ENCODE_ANY);

	if (!text)	/* strings that are no UTF-8 cannot be in a json_t; what remains is memory */
		return err_set(e, ERR_SYS, "write config.json of the container");
	return write_file(c, "config.json", str_of(text), e);
}

int container_set_state(struct container *c, const struct container_state *st, struct err *e)
{
	auto_buf struct buf b = { 0 };
	char *error = st->error ? xstrdup(st->error) : NULL;

	free(c->state.error);
	c->state = *st;
	c->state.error = error;
	record_state_text(&c->state, &b);
	return fs_replace(c->dir, "state.json", b.p, b.n, 0600, c->durable, e) < 0 ? err_wrap(e, "container %s", c->id) : 0;
}

/* Fill .new-<id>, which is locked from its first moment, and give it its name. */
static int record_make(struct container *c, int top, const struct digest *layers, size_t n, struct err *e)
{
	auto_free char *tmp = xasprintf(".new-%s", c->id);

	if (mkdirat(top, tmp, 0700) < 0)
		return err_sys(e, "make the container's directory");
	c->dir = openat(top, tmp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->dir < 0 || flock(c->dir, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, "lock the container's directory");
	if (write_layers(c, layers, n, e) < 0 || write_config(c, e) < 0)
		return -1;
	if (renameat(top, tmp, top, c->id) < 0 || (c->durable && fsync(top) < 0))
		return err_sys(e, "name the container's directory");
	return 0;
}

static int name_choose(struct container *c, int top, const char *wanted, struct err *e)
{
	char name[NAMES_MAX];
	uint32_t random;

	if (wanted) {
		c->name = xstrdup(wanted);
		return record_name_claim(c->store, top, wanted, c->id, e);
	}
	for (int i = 0; i < NAME_TRIES; i++) {
		while (getrandom(&random, sizeof(random), 0) != sizeof(random))
			;
		err_clear(e);
		if (record_name_claim(c->store, top, names_make(random, name), c->id, e) == 0) {
			c->name = xstrdup(name);
			return 0;
		}
		if (e->kind != ERR_CONFLICT)
			return -1;
	}
	err_clear(e);
	c->name = xstrndup(c->id, CONTAINER_SHORT);
	return record_name_claim(c->store, top, c->name, c->id, e);
}

/* The name's link is made before the directory that it means is there; until then any other claim would
 * take it away, hence a lock on the table of names. */
static int new_locked(struct container *c, int top, const char *name, const struct digest *layers, size_t n,
		      struct err *e)
{
	auto_fd int names = names_dir(top, e);
	auto_free char *slash = NULL;

	if (names < 0)
		return -1;
	while (flock(names, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, "lock the containers' names");
	if (name_choose(c, top, name, e) < 0)
		return -1;
	slash = xasprintf("/%s", c->name);
	json_object_set_new(c->config, "Id", json_string(c->id));
	json_object_set_new(c->config, "Name", json_string(slash));
	if (record_make(c, top, layers, n, e) < 0) {
		record_name_release(top, c->name, c->id);
		return -1;
	}
	return 0;
}

int container_new(struct store *s, const char *id, const char *name, const json_t *config,
		  const struct digest *layers, size_t n, bool durable, struct container **ret, struct err *e)
{
	int top = store_dir(s, STORE_CONTAINERS, e);
	struct container *c;

	if (top < 0)
		return -1;
	if (name && !container_name_ok(name))
		return err_set(e, ERR_USAGE, "invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
	c = xcalloc(1, sizeof(*c));
	c->store = s;
	c->dir = -1;
	c->durable = durable;
	c->config = json_deep_copy(config);
	memcpy(c->id, id, CONTAINER_ID_MAX);
	if (new_locked(c, top, name, layers, n, e) < 0) {
		auto_free char *tmp = xasprintf(".new-%s", id);
		auto_err struct err ignored = { 0 };

		(void)!fs_remove(top, tmp, &ignored);
		container_free(c);
		return -1;
	}
	*ret = c;
	return 0;
}

/* ---- finding ---- */

static bool is_hex(const char *s, size_t n)
{
	return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

/* The one container whose ID starts with ref: 1, none 0, or -1. */
static int find_prefix(int top, const char *ref, char id[static CONTAINER_ID_MAX], struct err *e)
{
	auto_strv struct strv names = { 0 };
	int found = 0;

	if (!*ref || strlen(ref) > 64 || !is_hex(ref, strlen(ref)))
		return 0;
	if (record_names(top, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		if (!is_hex(names.v[i], 64) || strncmp(names.v[i], ref, strlen(ref)) != 0)
			continue;
		if (found++)
			return err_set(e, ERR_CONFLICT, "several containers have an ID that starts with %s", ref);
		memcpy(id, names.v[i], CONTAINER_ID_MAX);
	}
	return found;
}

int container_open(struct store *s, const char *ref, struct container **ret, struct err *e)
{
	int top = store_dir(s, STORE_CONTAINERS, e), r = 0;
	const char *name = ref[0] == '/' ? ref + 1 : ref;
	char id[CONTAINER_ID_MAX];
	struct stat st;

	if (top < 0)
		return -1;
	if (is_hex(ref, 64) && fstatat(top, ref, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		memcpy(id, ref, sizeof(id));
		r = 1;
	} else if (container_name_ok(name)) {
		auto_fd int names = names_dir(top, e);

		if (names < 0)
			return -1;
		r = name_owner(top, names, name, id);
	}
	if (r == 0)
		r = find_prefix(top, ref, id, e);
	if (r < 0)
		return -1;
	if (r == 0)
		return err_set(e, ERR_NOT_FOUND, "No such container: %s", ref);
	return load(s, top, id, false, ret, e);
}

/* ---- removing ---- */

/* Kill process 1, if it is still the one that was recorded; its runner then writes the end down. */
static void kill_recorded(const struct container *c)
{
	auto_fd int fd = c->state.pid > 0 ? (int)syscall(SYS_pidfd_open, c->state.pid, 0) : -1;

	if (fd >= 0 && process_start_time(c->state.pid) == c->state.pid_start)
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

static int lock_for_removal(struct container *c, bool force, struct err *e)
{
	int64_t until = clock_mono_ns() + (int64_t)STOP_PATIENCE_MS * 1000000;

	do {
		if (flock(c->dir, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (container_reload(c, e) < 0)
			return -1;
		if (!force && container_is_live(c)) {
			err_set(e, ERR_CONFLICT, "cannot remove container \"/%s\": container is %s", c->name,
				container_status_word(c->state.status));
			return err_hint(e, "stop it first, or use \"tare rm -f\"");
		}
		if (container_is_live(c))
			kill_recorded(c);
		poll(NULL, 0, 2);	/* else its monitor is just leaving, or arriving */
	} while (clock_mono_ns() < until);
	return err_set(e, ERR_CONFLICT, "cannot remove container \"/%s\": it does not end", c->name);
}

/* Gone for everybody with one rename, then for good. */
static int remove_dir(int top, const char *id, struct err *e)
{
	auto_free char *gone = xasprintf(".del-%s", id);

	if (renameat(top, id, top, gone) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "remove container %s", id);
	return fs_remove(top, gone, e);
}

int container_remove(struct container *c, bool force, struct err *e)
{
	int top = store_dir(c->store, STORE_CONTAINERS, e);

	if (top < 0 || open_dir(c, top, e) < 0 || lock_for_removal(c, force, e) < 0)
		return -1;
	record_name_release(top, c->name, c->id);
	return remove_dir(top, c->id, e);
}

void container_free(struct container *c)
{
	if (!c)
		return;
	if (c->dir >= 0)
		close(c->dir);
	json_decref(c->config);
	free(c->state.error);
	free(c->name);
	free(c);
}

/* ---- all of them ---- */

/* .new-<id> and .del-<id>: garbage once nobody holds its lock. */
static void sweep(int top, const char *name)
{
	auto_err struct err ignored = { 0 };
	auto_fd int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)!fs_remove(top, name, &ignored);
}

struct dated {			/* so that a sort reads every date but once */
	int64_t ns;
	struct container *c;
};

static int newest_first(const void *a, const void *b)
{
	const struct dated *x = a, *y = b;

	return (x->ns < y->ns) - (x->ns > y->ns);
}

static void sort_newest(struct container **v, size_t n)
{
	auto_free struct dated *d = xcalloc(n + 1, sizeof(*d));

	for (size_t i = 0; i < n; i++)
		d[i] = (struct dated){ container_created_ns(v[i]), v[i] };
	qsort(d, n, sizeof(*d), newest_first);
	for (size_t i = 0; i < n; i++)
		v[i] = d[i].c;
}

struct part {			/* of the names: what one thread loads */
	struct store *s;
	int top;
	char **names;
	size_t n;
	struct container **ret;		/* NULL where one is no container, or removed meanwhile */
	struct err e;			/* why one could not be read */
};

static void load_part(void *arg)
{
	struct part *p = arg;

	for (size_t i = 0; i < p->n && p->e.kind == 0; i++) {
		auto_err struct err gone = { 0 };

		if (is_hex(p->names[i], 64) && load(p->s, p->top, p->names[i], true, &p->ret[i], &gone) < 0 &&
		    gone.kind != ERR_NOT_FOUND)
			err_move(&p->e, &gone);
	}
}

static int load_all(struct store *s, int top, const struct strv *names, struct container **ret, struct err *e)
{
	size_t threads = names->n < PARALLEL_MIN ? 1 : MIN(cpu_count(), (size_t)PARALLEL_MAX), each = names->n / threads + 1;
	auto_free struct part *parts = xcalloc(threads, sizeof(*parts));
	auto_err struct err none = { 0 };
	struct pool *pool = NULL;
	int r = 0;

	if (threads > 1 && pool_new(threads, &pool, &none) < 0)
		pool = NULL;
	for (size_t i = 0, at = 0; i < threads; i++, at += each) {
		size_t from = MIN(at, names->n);

		parts[i] = (struct part){ s, top, names->v + from, MIN(each, names->n - from), ret + from, { 0 } };
		if (pool)
			pool_run(pool, load_part, &parts[i]);
		else
			load_part(&parts[i]);
	}
	pool_free(pool);
	for (size_t i = 0; i < threads; i++) {
		if (r == 0 && parts[i].e.kind != 0) {
			err_move(e, &parts[i].e);
			r = -1;
		}
		err_clear(&parts[i].e);
	}
	return r;
}

int container_list(struct store *s, struct container_list *ret, struct err *e)
{
	int top = store_dir(s, STORE_CONTAINERS, e);
	auto_strv struct strv names = { 0 };
	auto_free struct container **all = NULL;
	size_t kept = 0;

	if (top < 0 || record_names(top, &names, e) < 0)
		return -1;
	all = xcalloc(names.n + 1, sizeof(*all));
	if (load_all(s, top, &names, all, e) < 0) {
		*ret = (struct container_list){ take_ptr(&all), names.n };
		container_list_done(ret);
		return -1;
	}
	for (size_t i = 0; i < names.n; i++) {
		if (strncmp(names.v[i], ".new-", 5) == 0 || strncmp(names.v[i], ".del-", 5) == 0)
			sweep(top, names.v[i]);
		if (all[i] && is_left_over(all[i])) {
			left_over_remove(all[i]);
			container_free(all[i]);
		} else if (all[i]) {
			all[kept++] = all[i];
		}
	}
	sort_newest(all, kept);
	*ret = (struct container_list){ take_ptr(&all), kept };
	return 0;
}

void container_list_done(struct container_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		container_free(l->v[i]);
	free(l->v);
	*l = (struct container_list){ 0 };
}

void container_names_sweep(struct store *s)
{
	auto_err struct err ignored = { 0 };
	auto_strv struct strv all = { 0 };
	int top = store_dir(s, STORE_CONTAINERS, &ignored);
	auto_fd int names = top < 0 ? -1 : names_dir(top, &ignored);
	char owner[CONTAINER_ID_MAX];

	if (names < 0 || flock(names, LOCK_EX) < 0 || record_names(names, &all, &ignored) < 0)
		return;
	for (size_t i = 0; i < all.n; i++)
		if (!name_owner(top, names, all.v[i], owner))
			(void)unlinkat(names, all.v[i], 0);
}
