/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where requests for a repository go: mirrors first, then the registry itself, as the host's configuration says.
 *
 * registries.conf (containers-registries.conf(5), version 2) with its .d directory, hosts.toml (containerd) in certs.d
 * directories, daemon.json (Docker). Mirrors are tried in this order; each may be restricted to tags or digests.
 */
#ifndef REGISTRY_HOSTS_H
#define REGISTRY_HOSTS_H

#include "registry/http.h"

enum endpoint_can {		/* bits */
	HOST_RESOLVE = 1,	/* say what a tag means */
	HOST_PULL = 2,		/* give what a digest names */
	HOST_PUSH = 4,
};

struct endpoint {		/* one place that is asked */
	char *host;		/* "h:5000", "registry-1.docker.io": also what its credentials are looked up by */
	char *prefix;		/* of the URL's path: "/v2", or what override_path says */
	char *repo;		/* the repository's name there */
	char *ns;		/* sent as ?ns= : for which registry a mirror stands; NULL: not sent */
	int can;		/* bits */
	bool mirror;
	bool http;		/* plain http, it was configured so */
	bool insecure;		/* any certificate, and plain http where there is no TLS */
	struct http_tls tls;	/* texts owned below */
	bool has_tls;		/* tls is set by hosts.toml; else certs.d of its host is used */
	char *ca, *cert, *key;
	struct strv headers;	/* further headers of hosts.toml; they may be secret */
	char *source;		/* the file that says so; NULL: nothing does */
};

struct endpoints {		/* { 0 } is a valid empty one */
	struct endpoint *v;	/* in the order they are tried; the registry itself last */
	size_t n;
	char *blocked;		/* the file that forbids this repository; NULL */
};
void endpoints_done(struct endpoints *l);
#define auto_endpoints __attribute__((cleanup(endpoints_done)))

struct hosts;
struct hosts_options {
	bool insecure;		/* --tls-verify=false */
	const char *cert_dir;	/* --cert-dir; NULL */
};
/**
 * Read the configuration. Variables name other places: CONTAINERS_REGISTRIES_CONF (its .d stands beside it),
 * TARE_CERTS_D (directories, separated by colons), TARE_DAEMON_JSON.
 * Errors: ERR_USAGE (a file is malformed: named, with the line), ERR_SYS.
 */
NODISCARD int hosts_open(const struct hosts_options *o, struct hosts **ret, struct err *e);
void hosts_free(struct hosts *h);

/* All places for host/repo ("docker.io", "library/alpine"; repo may be ""). Errors: ERR_USAGE (a hosts.toml). */
NODISCARD int hosts_endpoints(struct hosts *h, const char *host, const char *repo, struct endpoints *ret, struct err *e);
/* Certificates for a host and port by the certs.d directories, and whether it is insecure; lives as long as h.
 * Errors: ERR_SYS, ERR_USAGE (a certificate without its key). */
NODISCARD int hosts_tls(struct hosts *h, const char *host, unsigned port, const struct http_tls **ret, struct err *e);
/* Names a short name may mean by registries.conf's aliases and unqualified-search-registries; none if it sets neither. */
void hosts_short_names(const struct hosts *h, const char *name, struct strv *ret);

#endif
