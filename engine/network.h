/* SPDX-License-Identifier: Apache-2.0 */
/* Networks as verbs: create, list, show, connect, disconnect, remove, prune. */
#ifndef ENGINE_NETWORK_H
#define ENGINE_NETWORK_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct container;
struct job;
struct store;

#define NETWORK_ID_MAX 65

struct network_args {
	const char *name, *driver;	/* driver NULL: bridge */
	struct strv subnets, ranges, gateways, aux;	/* "10.1.0.0/16"; aux: "name=address" */
	struct strv labels, options;	/* "K=V" */
	bool internal, ipv6, attachable;
};

/* Errors: ERR_USAGE, ERR_CONFLICT (name, overlapping pool), ERR_NOT_FOUND (driver), ERR_SYS. */
NODISCARD int engine_network_create(struct store *s, const struct network_args *a, char id[static NETWORK_ID_MAX],
				    struct err *e);
/* As Docker's inspect has it, with who is on it now; the caller's. Errors: ERR_NOT_FOUND, ERR_CONFLICT. */
NODISCARD int engine_network_inspect(struct store *s, const char *ref, json_t **ret, struct err *e);
/* Those that match (dangling, driver, id, label, name, scope, type), by name. Errors: ERR_USAGE. */
NODISCARD int engine_network_list(struct store *s, const struct strv *filters, json_t **ret, struct err *e);
/* Errors: ERR_NOT_FOUND, ERR_DENIED (predefined), ERR_CONFLICT (in use). */
NODISCARD int engine_network_rm(struct store *s, const char *ref, struct err *e);
/* What no container names; *removed gets names. filters: until, label, label!. */
NODISCARD int engine_network_prune(struct store *s, const struct strv *filters, struct strv *removed, struct err *e);

struct network_connect {
	const char *ip, *ip6;
	struct strv aliases, options;
	int64_t priority;
};

/* A running container gets it at once. Errors: ERR_USAGE, ERR_NOT_FOUND, ERR_CONFLICT, what the attachment says; then
 * nothing is changed. */
NODISCARD int engine_network_connect(struct job *j, struct store *s, const char *ref, const char *container,
				     const struct network_connect *a, struct err *e);
NODISCARD int engine_network_disconnect(struct job *j, struct store *s, const char *ref, const char *container,
					struct err *e);

/* NetworkSettings of a container: as assigned while it runs; the caller's. */
json_t *engine_network_settings(const struct container *c);
/* "0.0.0.0:8080->80/tcp, 81/tcp", of NetworkSettings. */
void engine_ports_text(const json_t *settings, struct buf *ret);

#endif
