/* SPDX-License-Identifier: Apache-2.0 */
/* Archives as an origin: opening, telling the dialect, reading layers. */
#include "registry/archive.h"

#include "base/fs.h"
#include "cache/archive.h"
#include "cache/lease.h"
#include "registry/layout.h"

struct archive_origin {
	struct origin o;
	struct members *m;
	const struct platform *want;
	const char *tag;
	bool nameless;
	struct arena arena;
	int spool;		/* the nameless file, -1: none */
};

static void origin_end(struct origin *o)
{
	struct archive_origin *a = container_of(o, struct archive_origin, o);

	members_free(a->m);
	arena_done(&a->arena);
	if (a->spool >= 0)
		close(a->spool);
	free(a);
}

/* Docker's images all at once, so that each can be checked. */
static int check_platforms(const struct archive_origin *a, const struct offers *list, struct err *e)
{
	char have[PLATFORM_TEXT_MAX], want[PLATFORM_TEXT_MAX];

	for (size_t i = 0; a->want && i < list->n; i++) {
		struct platform p = config_platform(list->v[i].config);

		if (!platform_match(a->want, &p))
			return err_set(e, ERR_NOT_FOUND, "the image %s is for %s, not %s",
				       list->v[i].names.n ? list->v[i].names.v[0] : "(without a name)",
				       platform_text(&p, have), platform_text(a->want, want));
	}
	return 0;
}

static int no_metadata(struct members *m, struct err *e)
{
	auto_member struct member f = { 0 };
	int r = members_find(m, "repositories", &f, e);

	if (r < 0)
		return -1;
	if (r > 0)
		return err_set(e, ERR_CORRUPT, "the archive is of a Docker before 1.10, without manifest.json");
	err_set(e, ERR_CORRUPT, "not an image archive: it has neither manifest.json nor index.json");
	return err_hint(e, "\"tare import\" makes an image of a root file system's archive");
}

/* Docker 25 writes both kinds of metadata, and drops unnamed images from index.json: both are read. */
static int origin_list(struct job *j, struct origin *o, struct offers *ret, struct err *e)
{
	struct archive_origin *a = container_of(o, struct archive_origin, o);
	int layout, docker = 0;

	if (job_check(j, e) < 0)
		return -1;
	layout = layout_list(a->m, a->want, a->tag, &a->arena, ret, e);
	if (layout < 0)
		return -1;
	if (layout > 0 && a->tag && ret->n == 0)
		return err_set(e, ERR_NOT_FOUND, "the layout has no image with the tag %s", a->tag);
	if (!(layout > 0 && (a->want || a->tag) && ret->n > 0))
		docker = docker_list(a->m, &a->arena, ret, e);
	if (docker < 0)
		return -1;
	if (!layout && !docker)
		return no_metadata(a->m, e);
	for (size_t i = 0; a->nameless && i < ret->n; i++)
		strv_done(&ret->v[i].names);
	return check_platforms(a, ret, e);
}

void archive_select(struct origin *o, const char *tag, bool nameless)
{
	struct archive_origin *a = container_of(o, struct archive_origin, o);

	a->tag = tag;
	a->nameless = nameless;
}

struct pulling {
	struct job *j;
	struct member f;
	bool hashed;
	struct hasher h;
};

static ssize_t pull_get(void *arg, void *p, size_t n, struct err *e)
{
	struct pulling *u = arg;
	ssize_t r;

	if (job_check(u->j, e) < 0)
		return -1;
	r = member_get(&u->f, p, n, e);
	if (r > 0 && u->hashed)
		hasher_update(&u->h, p, (size_t)r);
	return r;
}

/* What take() left, and then: were the bytes those that the name promised? */
static int pull_check(struct pulling *u, const struct digest *want, struct err *e)
{
	auto_free char *rest = xmalloc(1 << 16);
	struct digest got;
	ssize_t r;

	while ((r = pull_get(u, rest, 1 << 16, e)) > 0)
		;
	if (r < 0)
		return -1;
	got = digest_final(&u->h);
	return digest_eq(&got, want) ? 0 : err_set(e, ERR_CORRUPT, "its bytes do not match its digest");
}

static int origin_pull(struct job *j, struct origin *o, const struct offer_layer *l, layer_take take, void *arg,
		       struct err *e)
{
	struct archive_origin *a = container_of(o, struct archive_origin, o);
	const struct stored_layer *own = l->own;
	struct pulling u = { .j = j, .hashed = own->has_digest };
	int r = members_find(a->m, own->name, &u.f, e);

	if (r <= 0)
		return r < 0 ? -1 : err_set(e, ERR_CORRUPT, "%s is gone", own->name);
	if (u.hashed)
		hasher_init(&u.h, own->digest.alg);
	r = take(arg, pull_get, &u, e);
	if (r == 0 && u.hashed)
		r = pull_check(&u, &own->digest, e);
	member_done(&u.f);
	return r < 0 ? err_wrap(e, "%s", own->name) : 0;
}

/* gzip, bzip2, xz, zstd (also its skippable frames, with which it may begin) */
static bool is_compressed(int fd)
{
	static const struct { size_t n; const char *magic; } kinds[] = {
		{ 2, "\x1f\x8b" }, { 3, "BZh" }, { 6, "\xfd" "7zXZ\0" }, { 4, "\x28\xb5\x2f\xfd" },
	};
	char head[6] = { 0 };

	if (pread(fd, head, sizeof(head), 0) < 0)
		return false;
	for (size_t i = 0; i < countof(kinds); i++)
		if (memcmp(head, kinds[i].magic, kinds[i].n) == 0)
			return true;
	return (head[0] & 0xf0) == 0x50 && memcmp(head + 1, "\x2a\x4d\x18", 3) == 0;
}

static int spool_open(struct lease *l, struct err *e)
{
	int fd = openat(lease_dirfd(l), "spool", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "make a temporary file");
	if (unlinkat(lease_dirfd(l), "spool", 0) < 0) {
		err_sys(e, "unlink a temporary file");
		close(fd);
		return -1;
	}
	return fd;
}

static int spool_all(struct job *j, int in, int out, struct err *e)
{
	struct job_fd src = { j, in };
	auto_archive struct archive_in *zip = NULL;
	auto_free char *p = xmalloc(1 << 18);
	ssize_t n;

	if (archive_unzip(job_fd_get, &src, &zip, e) < 0)
		return -1;
	while ((n = archive_get(zip, p, 1 << 18, e)) > 0)
		if (fs_write_all(out, p, (size_t)n, e) < 0)
			return err_wrap(e, "write a temporary copy of the archive");
	return n < 0 ? -1 : 0;
}

static int open_members(struct job *j, struct lease *l, int fd, struct archive_origin *a, struct err *e)
{
	struct stat st;
	int dup;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat the archive");
	if (S_ISDIR(st.st_mode)) {
		dup = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (dup < 0)
			return err_sys(e, "duplicate a descriptor");
		a->m = members_of_dir(dup);
		return 0;
	}
	if (S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_CUR) == 0 && !is_compressed(fd))
		return members_of_archive(j, fd, &a->m, e);
	a->spool = spool_open(l, e);
	if (a->spool < 0 || spool_all(j, fd, a->spool, e) < 0)
		return -1;
	return members_of_archive(j, a->spool, &a->m, e);
}

int archive_origin(struct job *j, struct lease *l, int fd, const struct platform *want, struct origin **ret,
		   struct err *e)
{
	static const struct origin_type type = {
		.name = "archive", .list = origin_list, .pull = origin_pull, .free = origin_end,
	};
	struct archive_origin *a = xcalloc(1, sizeof(*a));

	*a = (struct archive_origin){ .o.type = &type, .want = want, .spool = -1 };
	if (open_members(j, l, fd, a, e) < 0) {
		origin_end(&a->o);
		return -1;
	}
	*ret = &a->o;
	return 0;
}
