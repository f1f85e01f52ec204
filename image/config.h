/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image's config: a JSON tree that is patched, so that fields nobody here knows survive.
 * Getters never fail: config_parse() has checked the types of all they read.
 */
#ifndef IMAGE_CONFIG_H
#define IMAGE_CONFIG_H

#include <jansson.h>

#include "base/str.h"
#include "image/digest.h"
#include "image/platform.h"

#define CONFIG_MAX ((size_t)4 << 20)	/* bytes of its text */

struct config;

/* An empty image for platform: os, architecture, variant, rootfs without layers. */
struct config *config_new(const struct platform *p);
/* Errors: ERR_CORRUPT (with the field), ERR_LIMIT. Spec: OCI image-spec, config.md "Properties". */
NODISCARD int config_parse(struct str text, struct config **ret, struct err *e);
struct config *config_clone(const struct config *c);
void config_free(struct config *c);
/*
 * Its JSON text as BuildKit writes it: top-level keys sorted, those of "config" in the order of Docker's
 * struct, then what is unknown; empty fields are left out. Same content, same text. The image ID is its SHA-256.
 */
void config_text(const struct config *c, struct buf *ret);
const json_t *config_json(const struct config *c);	/* borrowed; for inspect */

/* Texts; never NULL, "" if absent. Setting "" or NULL removes. */
enum config_str { CONFIG_USER, CONFIG_WORKDIR, CONFIG_STOP_SIGNAL, CONFIG_AUTHOR };
const char *config_str(const struct config *c, enum config_str f);
void config_set_str(struct config *c, enum config_str f, const char *value);

/* Lists. Get appends to ret and returns the number of entries; setting an empty list or NULL removes. */
enum config_list { CONFIG_ENV, CONFIG_CMD, CONFIG_ENTRYPOINT, CONFIG_ONBUILD, CONFIG_SHELL };
size_t config_list(const struct config *c, enum config_list f, struct strv *ret);
void config_set_list(struct config *c, enum config_list f, const struct strv *value);
/* One variable of Env: replaced where it stands, else appended; NULL if unset, borrowed from c. */
const char *config_env_get(const struct config *c, const char *key);
void config_env_set(struct config *c, const char *key, const char *value);

/* Sets of names: "80/tcp", "/data". Get appends, sorted. */
enum config_set { CONFIG_PORTS, CONFIG_VOLUMES };
size_t config_set(const struct config *c, enum config_set f, struct strv *ret);
void config_set_add(struct config *c, enum config_set f, const char *name);

const char *config_label(const struct config *c, const char *key);	/* NULL if absent; borrowed */
void config_label_set(struct config *c, const char *key, const char *value);
size_t config_labels(const struct config *c, struct strv *ret);	/* appends key, value, key, ...; sorted; number of labels */

bool config_args_escaped(const struct config *c);
void config_set_args_escaped(struct config *c, bool on);

struct healthcheck {		/* Docker image-spec extension; times in ns, 0: inherit or default */
	struct strv test;	/* {"NONE"}, {"CMD", ...}, {"CMD-SHELL", command}; empty: inherit */
	int64_t interval, timeout, start_period, start_interval;
	int64_t retries;
};
void healthcheck_done(struct healthcheck *h);
bool config_healthcheck(const struct config *c, struct healthcheck *ret);	/* false if absent, *ret untouched */
void config_set_healthcheck(struct config *c, const struct healthcheck *h);	/* NULL removes */

/* "created", ns since 1970; false if absent. */
bool config_created(const struct config *c, int64_t *ret);
void config_set_created(struct config *c, int64_t ns);

struct platform config_platform(const struct config *c);	/* in normal form */

/* rootfs: the layers' diff IDs, base first. */
size_t config_diff_ids(const struct config *c);			/* how many */
struct digest config_diff_id(const struct config *c, size_t i);
void config_add_diff_id(struct config *c, const struct digest *d);

struct config_history {		/* texts are borrowed, NULL if absent */
	bool has_created;
	int64_t created_ns;
	const char *created_by, *comment, *author;
	bool empty_layer;
};
size_t config_histories(const struct config *c);
struct config_history config_history(const struct config *c, size_t i);
void config_add_history(struct config *c, const struct config_history *h);

#endif
