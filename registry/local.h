/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local store as one end of a copy, and what builder and engine need of it: finding an image
 * by what a user calls it, opening it, filing a new one.
 *
 * Stored form: the config and an OCI manifest are blobs; the manifest's layers are uncompressed tars,
 * named by diff ID, whose bytes live in layers/ (cache/layer.h). Names are canonical texts.
 */
#ifndef REGISTRY_LOCAL_H
#define REGISTRY_LOCAL_H

#include "cache/images.h"
#include "image/config.h"
#include "image/ref.h"
#include "registry/transport.h"

struct lease;

struct image {			/* { 0 } is a valid empty one */
	struct image_row row;
	struct config *config;	/* owned; its diff IDs are the layers */
	struct received_list received;	/* the manifests that registries know it by */
};
void image_done(struct image *i);
#define auto_image __attribute__((cleanup(image_done)))

/**
 * Find a stored image by name ("alpine", "host/path:tag", "name@sha256:<manifest>"), else by ID: the
 * start of a config's or manifest's digest, with or without "sha256:".
 *
 * Errors: ERR_NOT_FOUND "no such image: X", ERR_CONFLICT (an ID that several images start with),
 *         ERR_USAGE (neither a name nor an ID).
 */
NODISCARD int local_find(struct store *s, const char *name, struct image_row *ret, struct err *e);
/* Read the config of a row; its blobs are pinned until store_close(). Errors: ERR_NOT_FOUND, ERR_CORRUPT. */
NODISCARD int local_open(struct store *s, const struct image_row *row, struct image *ret, struct err *e);

/**
 * File an image: store its config and its manifest, add the row. The layers that the config lists are
 * published, and pinned by the caller. name (canonical text) may be NULL: untagged. *ret may be NULL.
 *
 * Errors: ERR_NOT_FOUND if a layer is not in the store.
 */
NODISCARD int local_put(struct store *s, const struct config *c, const char *name, struct image_row *ret,
			struct err *e);
/* Bytes of a stored layer's tar; pins the layer. Errors: ERR_NOT_FOUND. */
NODISCARD int local_layer_size(struct store *s, const struct digest *diff_id, uint64_t *ret, struct err *e);

/* The store as an origin: the images called names (one offer each, however many names mean it). A name that is
 * an ID brings none. *ret is the caller's, origin_free(); names stays the caller's until then. */
struct origin *local_origin(struct store *s, const struct strv *names);
/* The store as a target; layers in flight are the lease's. Nothing is visible before end(), then all is.
 * A layer that is stored already is not read from the origin. */
struct target *local_target(struct store *s, struct lease *l);

#endif
