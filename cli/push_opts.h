/* SPDX-License-Identifier: Apache-2.0 */
/* The options of push and of copy into a registry. */
#ifndef CLI_PUSH_OPTS_H
#define CLI_PUSH_OPTS_H

#include "cli/registry_opts.h"
#include "registry/push.h"

struct push_cli {
	const char *compression, *format;
	int64_t level;
	uint64_t chunk;
	bool foreign;
};

#define PUSH_OPTS(base) \
	{ 0, "allow-nondistributable", NULL, OPT_BOOL, (base) + offsetof(struct push_cli, foreign), \
	  "send also layers that are meant to be fetched from elsewhere" }, \
	{ 0, "chunk", "SIZE", OPT_BYTES, (base) + offsetof(struct push_cli, chunk), "bytes of an upload's part (default 8m)" }, \
	{ 0, "compression", "KIND", OPT_STR, (base) + offsetof(struct push_cli, compression), \
	  "gzip, zstd or none (default: as the layers came, new ones gzip)" }, \
	{ 0, "compression-level", "N", OPT_NUM, (base) + offsetof(struct push_cli, level), \
	  "1 to 9 of gzip (default 1), 1 to 22 of zstd (3)" }, \
	{ 0, "format", "FORMAT", OPT_STR, (base) + offsetof(struct push_cli, format), \
	  "media types of a new manifest: oci (default) or docker" }

/* Errors: ERR_USAGE. */
static inline int push_cli_options(const struct push_cli *c, struct push_opts *o, size_t *chunk, struct err *e)
{
	if (c->compression && zip_kind_parse(c->compression, &o->kind, e) < 0)
		return -1;
	o->has_kind = c->compression != NULL;
	if (c->level && !o->has_kind) {
		o->has_kind = true;
		o->kind = ZIP_GZIP;
	}
	if (c->level < 0 || c->level > ZIP_LEVEL_MAX || (o->kind == ZIP_GZIP && c->level > 9))
		return err_set(e, ERR_USAGE, "%s has no level %lld", zip_kind_name(o->kind), (long long)c->level);
	o->level = (int)c->level;
	o->has_format = c->format != NULL;
	o->docker = c->format && strcmp(c->format, "docker") == 0;
	if (c->format && !o->docker && strcmp(c->format, "oci") != 0)
		return err_set(e, ERR_USAGE, "no such format: %s (oci, docker)", c->format);
	o->foreign = c->foreign;
	if (c->chunk && (c->chunk < 1024 || c->chunk > (uint64_t)256 << 20))
		return err_set(e, ERR_USAGE, "--chunk wants 1k to 256m");
	*chunk = (size_t)c->chunk;
	return 0;
}

#endif
