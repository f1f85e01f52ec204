/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking a layer: whatever bytes come, nothing appears outside of its directory, and what was taken can be
 * given back byte for byte. The first byte chooses: a tar of clashing entries, or the bytes themselves (with
 * checksums put right, or not).
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "cache/archive.h"
#include "cache/layer_dir.h"
#include "cache/lease.h"
#include "cache/names.h"
#include "cache/split.h"
#include "cache/tar_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct input {
	const uint8_t *p;
	size_t n;
};

static uint8_t byte(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

static void set_sum(char *block)
{
	struct tar_header *h = (struct tar_header *)(void *)block;
	unsigned sum = 0;

	memset(h->chksum, ' ', sizeof(h->chksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += (unsigned char)block[i];
	snprintf(h->chksum, sizeof(h->chksum), "%06o", sum & 0777777);
}

static void name(struct input *in, char *to, size_t max)
{
	static const char *const names[] = { "a", "b", "c", ".wh.a", ".wh.b", ".wh..wh..opq", "..", "/", ".", "a/b", "../a" };
	auto_buf struct buf b = { 0 };

	for (unsigned i = 0, count = 1 + byte(in) % 4; i < count; i++)
		buf_printf(&b, "%s%s", i ? "/" : "", names[byte(in) % countof(names)]);
	memcpy(to, b.p, MIN(b.n, max));
}

static void entry(struct input *in, struct buf *tar)
{
	static const char types[] = "00002223155556";
	char block[TAR_BLOCK] = { 0 };
	struct tar_header *h = (struct tar_header *)(void *)block;
	unsigned size = 0;

	h->type = types[byte(in) % (sizeof(types) - 1)];
	name(in, h->name, sizeof(h->name));
	if (h->type == '1' || h->type == '2')
		name(in, h->linkname, sizeof(h->linkname));
	if (h->type == '0')
		size = byte(in) * 5u;
	snprintf(h->mode, sizeof(h->mode), "%07o", byte(in) * 9u);
	snprintf(h->size, sizeof(h->size), "%011o", size);
	snprintf(h->major, sizeof(h->major), "%07o", byte(in) % 3u);
	memcpy(h->magic, "ustar\0" "00", 8);
	set_sum(block);
	buf_add(tar, block, sizeof(block));
	for (unsigned i = 0; i < (size + TAR_BLOCK - 1) / TAR_BLOCK; i++) {
		memset(block, size % 251, sizeof(block));
		buf_add(tar, block, sizeof(block));
	}
}

static void make_tar(struct input in, struct buf *tar)
{
	static const char zeros[2 * TAR_BLOCK];
	uint8_t how = byte(&in);

	if (how % 2) {
		while (in.n)
			entry(&in, tar);
		buf_add(tar, zeros, sizeof(zeros));
		return;
	}
	buf_add(tar, in.p, in.n);
	for (size_t at = 0; how % 4 && at + TAR_BLOCK <= tar->n; at += TAR_BLOCK)
		set_sum(tar->p + at);
}

static ssize_t get(void *arg, void *p, size_t n, struct err *e UNUSED)
{
	struct str *left = arg;

	n = MIN(n, left->n);
	memcpy(p, left->p, n);
	*left = str_sub(*left, n, left->n);
	return (ssize_t)n;
}

static int put(void *arg, const void *p, size_t n, struct err *e UNUSED)
{
	buf_add(arg, p, n);
	return 0;
}

/* A store of the fuzzer's own, whose surroundings are watched. */
struct place {
	char path[64];
	int dir;
	struct store *s;
	struct job job;
};

static struct place here;

static void leave(void)
{
	auto_err struct err e = { 0 };

	store_close(here.s);
	if (fs_remove(AT_FDCWD, here.path, &e) < 0)
		fprintf(stderr, "%s\n", err_text(&e));
}

static struct place *place(void)
{
	struct err e = { 0 };
	char root[80];

	if (here.s)
		return &here;
	snprintf(here.path, sizeof(here.path), "/dev/shm/tare-fuzz-XXXXXX");
	if (!mkdtemp(here.path))
		abort();
	here.dir = open(here.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(root, sizeof(root), "%s/store", here.path);
	if (here.dir < 0 || job_init(&here.job, NULL, &e) < 0 || store_open(root, &here.s, &e) < 0)
		abort();
	atexit(leave);
	return &here;
}

static void check_outside(const struct place *p)
{
	auto_names struct names names = { 0 };
	struct stat st;

	if (names_read(p->dir, &names) < 0 || names.n != 1 || fstat(p->dir, &st) < 0 || st.st_mode != (S_IFDIR | 0700))
		abort();
	if (access("/a", F_OK) == 0 || access("/b", F_OK) == 0 || access("/c", F_OK) == 0)
		abort();
}

static void check_again(struct place *p, const struct layer *l, struct str tar)
{
	auto_buf struct buf again = { 0 };
	auto_err struct err e = { 0 };
	bool found;

	if (split_emit(&p->job, l->home, l->name, l->fd, put, &again, &found, &e) < 0 || !found)
		abort();
	if (again.n != l->tar_size || !str_eq(buf_view(&again), tar))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct place *p = place();
	auto_buf struct buf tar = { 0 };
	auto_err struct err e = { 0 };
	struct lease *lease;
	struct layer *l;
	struct str left;

	make_tar((struct input){ data, n }, &tar);
	left = buf_view(&tar);
	if (lease_new(p->s, &lease, &e) < 0)
		abort();
	if (layer_unpack(&p->job, p->s, lease, get, &left, &l, &e) == 0) {
		if (data[0] % 2)	/* else it may have been compressed */
			check_again(p, l, buf_view(&tar));
		layer_unref(l);
	}
	check_outside(p);
	lease_free(lease);
	return 0;
}
