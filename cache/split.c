/* SPDX-License-Identifier: Apache-2.0 */
/* Writing and reading a layer's .split file. */
#include "cache/split.h"

#include <errno.h>
#include <stdio.h>
#include <zstd.h>

#include "base/fs.h"

#define RAW_MAX ((size_t)64 << 10)	/* one 'R' record */
#define CHUNK ((size_t)128 << 10)
#define MAP_MAX ((size_t)16 << 20)

struct split_out {
	int home;			/* borrowed */
	char *name;
	int fd;
	ZSTD_CStream *z;
	struct buf raw;			/* not yet a record */
	char **files;			/* path of each 'F' so far; NULL: lost already */
	size_t nfiles, cap;
	int lost;			/* NAME.lost, -1: none */
	size_t nlost;
	struct buf map;
	bool ended;
};

int split_new(int home, const char *name, struct split_out **ret, struct err *e)
{
	auto_free char *file = xasprintf("%s.split", name);
	struct split_out *o = xcalloc(1, sizeof(*o));

	*o = (struct split_out){ .home = home, .name = xstrdup(name), .lost = -1, .z = ZSTD_createCStream() };
	o->raw.max = 2 * RAW_MAX;
	o->map.max = MAP_MAX;
	o->fd = openat(home, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (o->fd < 0 || !o->z) {
		err_sys(e, "create %s", file);
		split_free(o);
		return -1;
	}
	ZSTD_CCtx_setParameter(o->z, ZSTD_c_compressionLevel, 1);
	*ret = o;
	return 0;
}

void split_free(struct split_out *o)
{
	auto_err struct err ignored = { 0 };
	auto_free char *file = NULL, *lost = NULL;

	if (!o)
		return;
	file = xasprintf("%s.split", o->name);
	lost = xasprintf("%s.lost", o->name);
	if (!o->ended && o->fd >= 0)
		unlinkat(o->home, file, 0);
	if (!o->ended && o->lost >= 0)
		(void)!fs_remove(o->home, lost, &ignored);
	for (size_t i = 0; i < o->nfiles; i++)
		free(o->files[i]);
	free(o->files);
	if (o->fd >= 0)
		close(o->fd);
	if (o->lost >= 0)
		close(o->lost);
	ZSTD_freeCStream(o->z);
	buf_done(&o->raw);
	buf_done(&o->map);
	free(o->name);
	free(o);
}

static int compress(struct split_out *o, const void *p, size_t n, ZSTD_EndDirective how, struct err *e)
{
	char out[32 << 10];
	ZSTD_inBuffer in = { p, n, 0 };
	size_t left;

	do {
		ZSTD_outBuffer to = { out, sizeof(out), 0 };

		left = ZSTD_compressStream2(o->z, &to, &in, how);
		if (ZSTD_isError(left))
			return err_set(e, ERR_SYS, "compress a layer's headers: %s", ZSTD_getErrorName(left));
		if (fs_write_all(o->fd, out, to.pos, e) < 0)
			return err_wrap(e, "store a layer's headers");
	} while (in.pos < in.size || (how == ZSTD_e_end && left));
	return 0;
}

static int flush_raw(struct split_out *o, struct err *e)
{
	uint32_t n = (uint32_t)o->raw.n;
	int r;

	if (n == 0)
		return 0;
	r = compress(o, "R", 1, ZSTD_e_continue, e) < 0 || compress(o, &n, sizeof(n), ZSTD_e_continue, e) < 0 ||
	    compress(o, o->raw.p, n, ZSTD_e_continue, e) < 0 ? -1 : 0;
	buf_reset(&o->raw);
	return r;
}

int split_raw(void *out, const void *p, size_t n, struct err *e)
{
	struct split_out *o = out;
	const char *at = p;

	while (n) {
		size_t part = MIN(n, RAW_MAX - o->raw.n);

		buf_add(&o->raw, at, part);
		at += part;
		n -= part;
		if (o->raw.n == RAW_MAX && flush_raw(o, e) < 0)
			return -1;
	}
	return 0;
}

int split_file(struct split_out *o, const char *path, uint64_t size, struct err *e)
{
	uint32_t n = (uint32_t)strlen(path);

	if (flush_raw(o, e) < 0 || compress(o, "F", 1, ZSTD_e_continue, e) < 0 ||
	    compress(o, &size, sizeof(size), ZSTD_e_continue, e) < 0 ||
	    compress(o, &n, sizeof(n), ZSTD_e_continue, e) < 0 ||
	    compress(o, path, n, ZSTD_e_continue, e) < 0)
		return -1;
	if (o->nfiles == o->cap) {
		o->cap = MAX((size_t)256, o->cap * 2);
		o->files = xrealloc(o->files, o->cap * sizeof(*o->files));
	}
	o->files[o->nfiles++] = xstrdup(path);
	return 0;
}

/* Records at path or below it are now found in lost/<number>. */
static void map_lost(struct split_out *o, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < o->nfiles; i++) {
		const char *f = o->files[i];
		auto_free char *now = NULL;
		uint64_t seq = i;
		uint32_t n;

		if (!f || strncmp(f, path, len) != 0 || (f[len] != '\0' && f[len] != '/'))
			continue;
		now = xasprintf("%zu%s", o->nlost, f + len);
		n = (uint32_t)strlen(now);
		buf_add(&o->map, &seq, sizeof(seq));
		buf_add(&o->map, &n, sizeof(n));
		buf_add(&o->map, now, n);
		free(take_ptr(&o->files[i]));
	}
}

int split_lose(void *out, int dir, const char *name, const char *path, struct err *e)
{
	struct split_out *o = out;
	char to[24];

	if (o->nlost == SPLIT_LOST_MAX || o->map.n > MAP_MAX / 2)
		return err_set(e, ERR_LIMIT, "a layer in which more than %d entries replace earlier ones",
			       SPLIT_LOST_MAX);
	if (o->lost < 0) {
		auto_free char *lost = xasprintf("%s.lost", o->name);

		if (mkdirat(o->home, lost, 0700) == 0)
			o->lost = openat(o->home, lost, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (o->lost < 0)
			return err_sys(e, "create %s", lost);
	}
	snprintf(to, sizeof(to), "%zu", o->nlost);
	if (renameat(dir, name, o->lost, to) < 0)
		return err_sys(e, "replace %s", path);
	map_lost(o, path);
	o->nlost++;
	return 0;
}

int split_end(struct split_out *o, struct err *e)
{
	if (flush_raw(o, e) < 0 || compress(o, "E", 1, ZSTD_e_end, e) < 0)
		return -1;
	if (o->lost >= 0 && fs_replace(o->lost, "map", o->map.p, o->map.n, 0600, false, e) < 0)
		return -1;
	o->ended = true;
	return 0;
}

struct split_in {
	struct job *job;
	int fd, tree, lost;
	ZSTD_DStream *z;
	char in_buf[32 << 10];
	ZSTD_inBuffer in;
	struct buf map;
	uint64_t seq;
	char *chunk;
	bytes_put put;
	void *arg;
};

static int damaged(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "a layer's stored headers are damaged");
}

/* Exactly n bytes. The decoder may hold some back, so it is asked before the file is. */
static int get(struct split_in *s, void *p, size_t n, struct err *e)
{
	ZSTD_outBuffer out = { p, n, 0 };

	while (out.pos < n) {
		size_t before = out.pos;
		ssize_t got;

		if (ZSTD_isError(ZSTD_decompressStream(s->z, &out, &s->in)))
			return damaged(e);
		if (out.pos > before || s->in.pos < s->in.size)
			continue;
		got = bytes_get_fd(&s->fd, s->in_buf, sizeof(s->in_buf), e);
		if (got <= 0)
			return got < 0 ? -1 : damaged(e);
		s->in = (ZSTD_inBuffer){ s->in_buf, (size_t)got, 0 };
	}
	return 0;
}

static int emit_raw(struct split_in *s, struct err *e)
{
	uint32_t n;

	if (get(s, &n, sizeof(n), e) < 0)
		return -1;
	if (n > RAW_MAX)
		return damaged(e);
	return get(s, s->chunk, n, e) < 0 ? -1 : s->put(s->arg, s->chunk, n, e);
}

/* map, sorted as records were lost, not by number: look through all (there are few). */
static bool find_lost(const struct split_in *s, uint64_t seq, char *path, size_t max)
{
	for (size_t at = 0; at + 12 <= s->map.n; ) {
		uint64_t k;
		uint32_t n;

		memcpy(&k, s->map.p + at, sizeof(k));
		memcpy(&n, s->map.p + at + 8, sizeof(n));
		if (n > s->map.n - at - 12 || n >= max)
			return false;
		if (k == seq) {
			memcpy(path, s->map.p + at + 12, n);
			path[n] = '\0';
			return true;
		}
		at += 12 + n;
	}
	return false;
}

static int emit_bytes(struct split_in *s, int fd, uint64_t size, const char *path, struct err *e)
{
	while (size) {
		ssize_t n = bytes_get_fd(&fd, s->chunk, (size_t)MIN((uint64_t)CHUNK, size), e);

		if (n < 0)
			return err_wrap(e, "%s", path);
		if (n == 0)
			return err_set(e, ERR_CORRUPT, "%s in a stored layer is shorter than it was", path);
		if (job_check(s->job, e) < 0 || s->put(s->arg, s->chunk, (size_t)n, e) < 0)
			return -1;
		size -= (uint64_t)n;
	}
	return 0;
}

static int emit_file(struct split_in *s, struct err *e)
{
	char path[TAR_PATH_MAX + 64];
	auto_fd int fd = -1;
	uint64_t size;
	uint32_t n;

	if (get(s, &size, sizeof(size), e) < 0 || get(s, &n, sizeof(n), e) < 0)
		return -1;
	if (n > TAR_PATH_MAX)
		return damaged(e);
	if (get(s, path, n, e) < 0)
		return -1;
	path[n] = '\0';
	if (find_lost(s, s->seq++, path, sizeof(path)))
		fd = fs_open_in(s->lost, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	else
		fd = fs_open_in(s->tree, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, "open %s in a stored layer", path);
	return emit_bytes(s, fd, size, path, e);
}

static int emit_all(struct split_in *s, struct err *e)
{
	char kind;
	int r;

	for (;;) {
		if (get(s, &kind, 1, e) < 0)
			return -1;
		if (kind == 'E')
			return 0;
		r = kind == 'R' ? emit_raw(s, e) : kind == 'F' ? emit_file(s, e) : damaged(e);
		if (r < 0)
			return -1;
	}
}

int split_emit(struct job *j, int home, const char *name, int tree, bytes_put put, void *arg, bool *found,
	       struct err *e)
{
	auto_free char *file = xasprintf("%s.split", name), *lost = xasprintf("%s.lost", name);
	auto_free struct split_in *s = xcalloc(1, sizeof(*s));
	auto_fd int fd = openat(home, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), lost_fd = -1;
	auto_free char *chunk = xmalloc(CHUNK);
	int r;

	*found = fd >= 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open %s", file);
	lost_fd = openat(home, lost, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	*s = (struct split_in){ .job = j, .fd = fd, .tree = tree, .lost = lost_fd, .z = ZSTD_createDStream(),
				.chunk = chunk, .put = put, .arg = arg };
	r = lost_fd >= 0 ? fs_read(lost_fd, "map", MAP_MAX, &s->map, e) : 0;
	if (r == 0)
		r = emit_all(s, e);
	ZSTD_freeDStream(s->z);
	buf_done(&s->map);
	return r;
}
