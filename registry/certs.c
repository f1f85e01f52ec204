/* SPDX-License-Identifier: Apache-2.0 */
/* certs.d directories: host:port/{ca.crt, client.cert, client.key}, as Docker and containers' tools have them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "base/fs.h"
#include "registry/hosts_int.h"

void certs_names(const char *host, unsigned port, struct strv *ret)
{
	bool v6 = strchr(host, ':') != NULL;
	auto_free char *name = xasprintf("%s%s%s", v6 ? "[" : "", host, v6 ? "]" : "");

	strv_take(ret, xasprintf("%s:%u", name, port));
	strv_take(ret, xasprintf("%s_%u_", name, port));	/* containerd's, where a colon cannot be in a name */
	if (port == 443 || port == 80)
		strv_add(ret, name);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_file(const char *dir, const char *name, struct host_certs *c, struct buf *ca, struct err *e)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);
	struct str s = str_of(name);

	if (str_ends(s, ".crt")) {
		if (fs_read(AT_FDCWD, path, HOSTS_FILE_MAX, ca, e) < 0)
			return -1;
		buf_putc(ca, '\n');
	} else if (str_ends(s, ".cert") && !c->cert) {
		c->cert = take_ptr(&path);
		c->key = xasprintf("%s/%.*s.key", dir, (int)(s.n - 5), name);
		if (access(c->key, R_OK) < 0) {
			err_sys(e, "%s", c->key);
			e->kind = ERR_USAGE;
			return err_hint(e, "a client certificate NAME.cert needs its NAME.key beside it");
		}
	} else if (str_ends(s, ".key")) {
		auto_free char *cert = xasprintf("%s/%.*s.cert", dir, (int)(s.n - 4), name);

		if (access(cert, F_OK) < 0) {
			err_sys(e, "%s", cert);
			e->kind = ERR_USAGE;
			return err_hint(e, "a key NAME.key needs its client certificate NAME.cert (not .crt) beside it");
		}
	}
	return 0;
}

int certs_read(const char *dir, struct host_certs *c, struct err *e)
{
	auto_buf struct buf ca = { 0 };
	struct dirent **list;
	int n = scandir(dir, &list, NULL, by_name), r = 0;

	if (n < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(e, "read %s", dir);
	if (c->ca)
		buf_puts(&ca, c->ca);
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = add_file(dir, list[i]->d_name, c, &ca, e);
		free(list[i]);
	}
	free(list);
	if (r == 0 && ca.n) {
		free(c->ca);
		c->ca = buf_take(&ca);
	}
	if (r == 0 && !c->source && (c->ca || c->cert))
		c->source = xstrdup(dir);
	return r;
}

void certs_free(struct host_certs *c)
{
	free(c->name);
	free(c->ca);
	free(c->cert);
	free(c->key);
	free(c->source);
	free(c);
}

int hosts_tls(struct hosts *h, const char *host, unsigned port, const struct http_tls **ret, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&h->lock);
	auto_strv struct strv names = { 0 };
	struct host_certs *c;
	int r = 0;

	certs_names(host, port, &names);
	for (c = h->certs; c; c = c->next)
		if (strcmp(c->name, names.v[0]) == 0) {
			*ret = &c->tls;
			return 0;
		}
	c = xcalloc(1, sizeof(*c));
	c->name = xstrdup(names.v[0]);
	if (h->cert_dir)
		r = certs_read(h->cert_dir, c, e);
	for (size_t i = 0; r == 0 && !h->cert_dir && i < h->dirs.n; i++)
		for (size_t k = 0; r == 0 && k < names.n; k++) {
			auto_free char *dir = xasprintf("%s/%s", h->dirs.v[i], names.v[k]);

			r = certs_read(dir, c, e);
		}
	c->tls = (struct http_tls){
		.insecure = h->insecure || docker_insecure(&h->docker_insecure, host, port),
		.ca = c->ca, .cert = c->cert, .key = c->key, .source = c->source,
	};
	if (r < 0) {
		certs_free(c);
		return -1;
	}
	c->next = h->certs;
	h->certs = c;
	*ret = &c->tls;
	return 0;
}
