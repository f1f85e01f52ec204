/* SPDX-License-Identifier: Apache-2.0 */
/* Networks as users define them. */
#include "runtime/network/netdef.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/file.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/hash.h"

#define FILE_MAX ((size_t)1 << 20)

/* name, driver */
static const char *const predefined[][2] = { { "bridge", "bridge" }, { "host", "host" }, { "none", "null" } };

static bool take_pool(struct netdef *d, const json_t *o)
{
	struct ipam_pool *p = &d->pools[d->npools];
	const char *subnet = json_string_value(json_object_get(o, "Subnet"));
	const char *range = json_string_value(json_object_get(o, "IPRange"));
	const char *gateway = json_string_value(json_object_get(o, "Gateway"));
	json_t *aux = json_object_get(o, "AuxiliaryAddresses");
	struct addr *v;
	const char *key;
	json_t *value;

	if (d->npools == NETDEF_POOLS || !subnet || !subnet_parse(str_of(subnet), false, &p->subnet) ||
	    (range && *range && !subnet_parse(str_of(range), false, &p->range)) ||
	    (gateway && *gateway && !addr_parse(str_of(gateway), &p->gateway)))
		return false;
	v = xcalloc(json_object_size(aux) + 1, sizeof(*v));
	json_object_foreach(aux, key, value)
		if (json_string_value(value) && addr_parse(str_of(json_string_value(value)), &v[p->naux]))
			p->naux++;
	p->aux = v;
	d->npools++;
	return true;
}

int netdef_new(json_t *json, struct netdef **ret, struct err *e)
{
	const json_t *config = json_object_get(json_object_get(json, "IPAM"), "Config");
	struct netdef *d = xcalloc(1, sizeof(*d));
	json_t *v;
	size_t i;

	d->json = json;
	d->id = json_string_value(json_object_get(json, "Id"));
	d->name = json_string_value(json_object_get(json, "Name"));
	d->driver = json_string_value(json_object_get(json, "Driver"));
	d->internal = json_is_true(json_object_get(json, "Internal"));
	d->ipv4 = !json_is_false(json_object_get(json, "EnableIPv4"));
	d->ipv6 = json_is_true(json_object_get(json, "EnableIPv6"));
	if (!d->id || strlen(d->id) != NETDEF_ID_MAX - 1 || !d->name || !d->driver) {
		netdef_free(d);
		return err_set(e, ERR_CORRUPT, "a network's definition is damaged");
	}
	for (size_t k = 0; k < countof(predefined); k++)
		d->predefined = d->predefined || strcmp(d->name, predefined[k][0]) == 0;
	json_array_foreach(config, i, v)
		if (!take_pool(d, v)) {
			netdef_free(d);
			return err_set(e, ERR_CORRUPT, "a network's definition is damaged");
		}
	*ret = d;
	return 0;
}

void netdef_free(struct netdef *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->npools; i++)
		free((void *)d->pools[i].aux);
	json_decref(d->json);
	free(d);
}

const struct ipam_pool *netdef_pool(const struct netdef *d, uint8_t family)
{
	for (size_t i = 0; i < d->npools; i++)
		if (d->pools[i].subnet.base.family == family)
			return &d->pools[i];
	return NULL;
}

const char *netdef_option(const struct netdef *d, const char *key)
{
	return json_string_value(json_object_get(json_object_get(d->json, "Options"), key));
}

bool netdef_is_default(const struct netdef *d)
{
	return strcmp(d->name, "bridge") == 0;
}

void netdef_defaults(json_t *json)
{
	static const char *const flags[] = { "Internal", "Attachable", "Ingress", "ConfigOnly" };
	static const char *const maps[] = { "Containers", "Options", "Labels" };

	for (size_t i = 0; i < countof(flags); i++)
		if (!json_object_get(json, flags[i]))
			json_object_set_new(json, flags[i], json_false());
	for (size_t i = 0; i < countof(maps); i++)
		if (!json_object_get(json, maps[i]))
			json_object_set_new(json, maps[i], json_object());
	json_object_set_new(json, "ConfigFrom", json_pack("{s:s}", "Network", ""));
}

/* ---- the files ---- */

static struct netdef *make_predefined(size_t k)
{
	auto_buf struct buf hex = { 0 };
	auto_err struct err ignored = { 0 };
	auto_free char *seed = xasprintf("tare network %s", predefined[k][0]);
	struct netdef *d = NULL;
	json_t *json;
	uint8_t id[32];

	hash_sha256(seed, strlen(seed), id);
	buf_hex(&hex, id, sizeof(id));
	json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "Name", predefined[k][0], "Id", hex.p, "Created",
			 "0001-01-01T00:00:00Z", "Scope", "local", "Driver", predefined[k][1], "EnableIPv4", 1,
			 "EnableIPv6", 0);
	json_object_set_new(json, "IPAM", json_pack("{s:s, s:n, s:[]}", "Driver", "default", "Options", "Config"));
	netdef_defaults(json);
	(void)!netdef_new(json, &d, &ignored);
	return d;
}

static int read_one(int dir, const char *file, struct netdef **ret, struct err *e)
{
	auto_buf struct buf b = { 0 };
	json_t *json;

	if (fs_read(dir, file, FILE_MAX, &b, e) < 0)
		return -1;
	json = json_loadb(b.p ? b.p : "", b.n, 0, NULL);
	return json ? netdef_new(json, ret, e) : err_set(e, ERR_CORRUPT, "network %s is damaged", file);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct netdef *const *)a)->name, (*(struct netdef *const *)b)->name);
}

static void add(struct netdefs *l, struct netdef *d)
{
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = d;
}

int netdef_list(int dir, struct netdefs *ret, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	*ret = (struct netdefs){ 0 };
	if (!d) {
		if (fd >= 0)
			close(fd);
		return err_sys(e, "list the networks");
	}
	for (size_t k = 0; k < countof(predefined); k++)
		add(ret, make_predefined(k));
	while ((de = readdir(d))) {
		auto_err struct err ignored = { 0 };
		struct netdef *one;

		if (str_ends(str_of(de->d_name), ".json") && de->d_name[0] != '.' &&
		    read_one(dir, de->d_name, &one, &ignored) == 0)
			add(ret, one);
	}
	closedir(d);
	qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	return 0;
}

void netdefs_done(struct netdefs *l)
{
	for (size_t i = 0; i < l->n; i++)
		netdef_free(l->v[i]);
	free(l->v);
	*l = (struct netdefs){ 0 };
}

int netdef_find(int dir, const char *ref, struct netdef **ret, struct err *e)
{
	auto_netdefs struct netdefs l = { 0 };
	size_t best = 0, n = 0;
	int rank = 0;		/* 3: the ID, 2: the name, 1: the start of an ID */

	/* the usual ones without looking at all files */
	for (size_t k = 0; k < countof(predefined); k++)
		if (strcmp(ref, predefined[k][0]) == 0) {
			*ret = make_predefined(k);
			return 0;
		}
	if (netdef_list(dir, &l, e) < 0)
		return -1;
	for (size_t i = 0; i < l.n; i++) {
		int is = strcmp(ref, l.v[i]->id) == 0 ? 3 : strcmp(ref, l.v[i]->name) == 0 ? 2 :
			 *ref && str_starts(str_of(l.v[i]->id), ref) ? 1 : 0;

		if (is > rank)
			n = 0;
		if (is && is >= rank) {
			rank = is;
			best = i;
			n++;
		}
	}
	if (n == 0)
		return err_set(e, ERR_NOT_FOUND, "network %s not found", ref);
	if (n > 1)
		return err_set(e, ERR_CONFLICT, "network %s is ambiguous (%zu matches found on ID prefix)", ref, n);
	*ret = l.v[best];
	l.v[best] = NULL;
	return 0;
}

int netdef_lock(int dir, struct err *e)
{
	auto_fd int fd = openat(dir, ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(e, "open the lock of the networks");
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, "lock the networks");
	return take_fd(&fd);
}

int netdef_add(int dir, const struct netdef *d, struct err *e)
{
	auto_free char *text = json_dumps(d->json, JSON_COMPACT);
	auto_free char *file = xasprintf("%s.json", d->id);

	if (!text)
		return err_set(e, ERR_USAGE, "network %s: a text is not UTF-8", d->name);
	if (fs_replace(dir, file, text, strlen(text), 0600, true, e) < 0)
		return err_wrap(e, "define network %s", d->name);
	fault_point("network.defined");
	return 0;
}

int netdef_remove(int dir, const char *id, struct err *e)
{
	auto_free char *file = xasprintf("%s.json", id);

	if (unlinkat(dir, file, 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove network %s", id);
	fault_point("network.removed");
	return 0;
}
