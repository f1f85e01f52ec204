/* SPDX-License-Identifier: Apache-2.0 */
/* Who is on which network now. */
#include "runtime/network/endpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fs.h"

#define FILE_MAX ((size_t)64 << 10)

/* ---- one file ---- */

void endpoint_print(const struct endpoint *p, struct buf *ret)
{
	char text[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX];

	buf_printf(ret, "name %s\nmac %s\n", p->name ? p->name : "", mac_text(&p->mac, mac));
	if (p->a4.family)
		buf_printf(ret, "ip %s/%u\n", addr_text(&p->a4, text), p->len4);
	if (p->a6.family)
		buf_printf(ret, "ip %s/%u\n", addr_text(&p->a6, text), p->len6);
	for (size_t i = 0; i < p->names.n; i++)
		buf_printf(ret, "alias %s\n", p->names.v[i]);
}

static bool take_line(struct endpoint *p, struct str key, struct str value)
{
	struct str rest = value, host;
	struct addr a;
	uint64_t len;

	if (str_is(key, "name")) {
		free(p->name);
		p->name = str_dup(value);
	} else if (str_is(key, "mac")) {
		return value.n == 0 || mac_parse(value, &p->mac);
	} else if (str_is(key, "alias")) {
		strv_add_n(&p->names, value);
	} else if (str_is(key, "ip")) {
		host = str_cut(&rest, '/');
		if (!addr_parse(host, &a) || !rest.p || !str_to_u64(rest, 10, &len) || len > addr_size(&a) * 8)
			return false;
		*(a.family == AF_INET ? &p->a4 : &p->a6) = a;
		*(a.family == AF_INET ? &p->len4 : &p->len6) = (uint8_t)len;
	}
	return true;
}

bool endpoint_parse(struct str text, struct endpoint *ret)
{
	struct endpoint p = { 0 };
	bool ok = true;

	while (ok && text.p && text.n) {
		struct str value = str_cut(&text, '\n'), key = str_cut(&value, ' ');

		ok = take_line(&p, key, value);
	}
	if (!ok) {
		endpoint_done(&p);
		return false;
	}
	if (!p.name)
		p.name = xstrdup("");
	*ret = p;
	return true;
}

void endpoint_done(struct endpoint *p)
{
	free(p->id);
	free(p->name);
	strv_done(&p->names);
	*p = (struct endpoint){ 0 };
}

/* ---- the directories ---- */

int endpoint_top(const char *run_dir, bool lock, struct err *e)
{
	auto_free char *path = NULL;
	auto_fd int fd = -1;
	struct stat st;

	if (stat("/proc/thread-self/ns/net", &st) < 0)
		return err_sys(e, "find the own network namespace");
	path = xasprintf("%s/net/%llu", run_dir, (unsigned long long)st.st_ino);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		if (fs_mkdirs(path, 0700, e) < 0)
			return -1;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	}
	if (fd < 0)
		return err_sys(e, "open %s", path);
	while (lock && flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, "lock %s", path);
	return take_fd(&fd);
}

int endpoint_dir(int top, const char *network, bool make, struct err *e)
{
	int fd;

	if (make && mkdirat(top, network, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make the directory of network %s", network);
	fd = openat(top, network, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? err_sys(e, "open the directory of network %s", network) : fd;
}

bool endpoint_alive(int dir, const char *id)
{
	auto_fd int fd = openat(dir, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
}

static bool read_one(int dir, const char *id, struct endpoint *ret)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };

	if (fs_read(dir, id, FILE_MAX, &b, &ignored) < 0 || !endpoint_parse(buf_view(&b), ret))
		return false;
	ret->id = xstrdup(id);
	ret->alive = true;
	return true;
}

/* .new-<id> without a lock is what a killed process left; others' are being written only under the lock. */
static void read_entry(int dir, const char *name, bool check, bool sweep, struct endpoints *ret)
{
	struct endpoint p;
	bool alive;

	if (name[0] == '.') {
		if (sweep && str_starts(str_of(name), ".new-"))
			unlinkat(dir, name, 0);
		return;
	}
	alive = !(check || sweep) || endpoint_alive(dir, name);
	if (!alive && sweep) {
		unlinkat(dir, name, 0);
		return;
	}
	if (!read_one(dir, name, &p))
		return;
	p.alive = alive;
	ret->v = xrealloc(ret->v, (ret->n + 1) * sizeof(*ret->v));
	ret->v[ret->n++] = p;
}

void endpoint_list_read(int dir, bool check, bool sweep, struct endpoints *ret)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	*ret = (struct endpoints){ 0 };
	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((de = readdir(d)))
		read_entry(dir, de->d_name, check, sweep, ret);
	closedir(d);
}

void endpoint_list_done(struct endpoints *l)
{
	for (size_t i = 0; i < l->n; i++)
		endpoint_done(&l->v[i]);
	free(l->v);
	*l = (struct endpoints){ 0 };
}

int endpoint_put(int dir, const struct endpoint *p, int *lock, struct err *e)
{
	auto_free char *name = xasprintf(".new-%s", p->id);
	auto_buf struct buf b = { 0 };
	auto_fd int fd = openat(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	endpoint_print(p, &b);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, "write an endpoint's file");
	if (fs_write_all(fd, b.p, b.n, e) < 0)
		return -1;
	if (renameat(dir, name, dir, p->id) < 0)
		return err_sys(e, "name an endpoint's file");
	if (*lock >= 0)
		close(*lock);
	*lock = take_fd(&fd);
	return 0;
}

void endpoint_drop(int dir, const char *id, int *lock)
{
	if (*lock < 0)
		return;
	unlinkat(dir, id, 0);
	close(*lock);
	*lock = -1;
}
