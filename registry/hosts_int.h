/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of hosts' configuration share. The *_parse() functions are pure: they take what a file holds. */
#ifndef REGISTRY_HOSTS_INT_H
#define REGISTRY_HOSTS_INT_H

#include <jansson.h>
#include <pthread.h>

#include "registry/hosts.h"

#define HOSTS_FILE_MAX ((size_t)1 << 20)

struct rule_mirror {
	char *location;		/* "host:port/path" */
	bool insecure;
	int can;
};

struct rule {			/* [[registry]] of registries.conf */
	char *prefix, *location;
	bool insecure, blocked;
	struct rule_mirror *mirrors;
	size_t nmirrors;
	char *source;
};

struct rules {			/* { 0 } is a valid empty one */
	struct rule *v;
	size_t n;
	struct strv search;	/* unqualified-search-registries of the last file that has it */
	bool searches;
	json_t *aliases;	/* name -> full name */
};
void rules_done(struct rules *r);
/* Add a file's; a registry with a prefix that is there already replaces it. Errors: ERR_USAGE. */
NODISCARD int rules_parse(struct rules *r, const json_t *file, const char *source, struct err *e);
/* The rule with the longest prefix of host/repo; NULL. *rest: what follows the prefix, "/a/b" or "". */
const struct rule *rules_find(const struct rules *r, const char *name, const char **rest);

/* Add the mirrors of a hosts.toml and, if it says something on it, the server. dir: where it lies, for relative names.
 * host: whose file it is. *server is set if the registry's own endpoint was added. Errors: ERR_USAGE, ERR_SYS. */
NODISCARD int hosts_toml_parse(const json_t *file, const char *dir, const char *source, const char *host, const char *repo,
			       struct endpoints *ret, bool *server, struct err *e);

/* One more endpoint: location is "host:port/path", rest is what follows; docker.io becomes its wire name. */
struct endpoint *endpoint_add(struct endpoints *l, const char *location, const char *rest, const char *source);

struct host_certs {		/* of one host:port */
	struct host_certs *next;
	char *name;
	struct http_tls tls;	/* texts owned */
	char *ca, *cert, *key, *source;
};

struct host_toml {		/* the hosts.toml of one registry, read once */
	struct host_toml *next;
	char *host, *dir, *path;
	json_t *file;		/* NULL: there is none */
};

struct hosts {
	bool insecure;
	char *cert_dir;
	struct strv dirs;	/* certs.d directories */
	struct rules rules;
	struct strv docker_mirrors, docker_insecure;	/* of daemon.json */
	char *docker_source;
	pthread_mutex_t lock;
	struct host_certs *certs;	/* lock; entries stay */
	struct host_toml *tomls;	/* lock; entries stay, and don't change */
};
/* The names a directory for host and port may have, most specific first. */
void certs_names(const char *host, unsigned port, struct strv *ret);
/* Read *.crt, *.cert, *.key of a directory into c. Errors: ERR_USAGE, ERR_SYS. */
NODISCARD int certs_read(const char *dir, struct host_certs *c, struct err *e);
void certs_free(struct host_certs *c);
/* Is host one of daemon.json's insecure-registries: names, names with ports, networks? */
bool docker_insecure(const struct strv *list, const char *host, unsigned port);

#endif
