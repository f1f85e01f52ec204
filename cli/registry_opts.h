/* SPDX-License-Identifier: Apache-2.0 */
/* The options that all commands have which talk to registries. */
#ifndef CLI_REGISTRY_OPTS_H
#define CLI_REGISTRY_OPTS_H

#include "cli/opt.h"
#include "registry/client.h"

struct registry_opts {
	bool tls_verify;	/* true by registry_defaults() */
	const char *authfile, *cert_dir, *trace;
};

/* Rows for a table of options; base is the offset of the struct in the command's. */
#define REGISTRY_OPTS(base) \
	{ 0, "authfile", "FILE", OPT_STR, (base) + offsetof(struct registry_opts, authfile), \
	  "read credentials from FILE instead of the usual places" }, \
	{ 0, "cert-dir", "DIR", OPT_STR, (base) + offsetof(struct registry_opts, cert_dir), \
	  "certificates for the registry: *.crt, *.cert, *.key" }, \
	{ 0, "tls-verify", NULL, OPT_BOOL, (base) + offsetof(struct registry_opts, tls_verify), \
	  "--tls-verify=false: take any certificate, and plain http where there is no TLS" }, \
	{ 0, "trace-http", "FILE", OPT_STR, (base) + offsetof(struct registry_opts, trace), \
	  "append a line of JSON for every request to FILE" }

static inline struct client_options registry_options(const struct registry_opts *o)
{
	return (struct client_options){ .authfile = o->authfile, .cert_dir = o->cert_dir, .insecure = !o->tls_verify,
		.trace = o->trace };
}

#endif
