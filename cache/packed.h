/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store remembers of registries: how its layers look compressed, which repositories have those bytes, and
 * the manifests with which images came or went. So that nothing is compressed, sent or fetched twice, and a pulled
 * image can be pushed under the digest that it had. Rows of layers and images that are gone are swept by gc.
 */
#ifndef CACHE_PACKED_H
#define CACHE_PACKED_H

#include "base/zip.h"
#include "cache/store.h"

struct packed {			/* a compressed form of a layer; its bytes were seen whole, both digests computed here */
	struct digest digest;
	uint64_t size;		/* bytes */
	enum zip_kind kind;
	int level;		/* as given to zip_new() when it was made here, which makes these bytes again; -1: made elsewhere */
};

NODISCARD int packed_add(struct store *s, const struct digest *diff_id, const struct packed *p, struct err *e);
/* All forms of a layer, the last remembered first; *ret is the caller's to free. */
NODISCARD int packed_list(struct store *s, const struct digest *diff_id, struct packed **ret, size_t *n, struct err *e);
/* The layer whose compressed form this is: 1, 0, -1. */
NODISCARD int packed_diff_id(struct store *s, const struct digest *digest, struct digest *ret, struct err *e);

/* A repository ("host/path") has this blob. */
NODISCARD int packed_source_add(struct store *s, const struct digest *digest, const char *repo, struct err *e);
NODISCARD int packed_source_drop(struct store *s, const struct digest *digest, const char *repo, struct err *e);
/* Appends the repositories, the last remembered first. */
NODISCARD int packed_sources(struct store *s, const struct digest *digest, struct strv *ret, struct err *e);

struct received {		/* a manifest that an image has in a repository */
	char *repo;		/* "host/path" */
	struct digest digest;	/* what a name there means: of an index, or of the manifest itself */
	struct digest manifest;	/* the image's own; stored as a blob, byte for byte */
};
struct received_list {		/* { 0 } is a valid empty one */
	struct received *v;
	size_t n;
};
void received_done(struct received_list *l);
#define auto_received __attribute__((cleanup(received_done)))

/* image: the manifest that the store files the image under. The blob r->manifest is stored and pinned. */
NODISCARD int received_add(struct store *s, const struct digest *image, const struct received *r, struct err *e);
/* Sorted by repository, the latest of each first. */
NODISCARD int received_of(struct store *s, const struct digest *image, struct received_list *ret, struct err *e);
/* The image that came with this manifest or index (of any repository): its stored manifest. 1, 0, -1. */
NODISCARD int received_find(struct store *s, const struct digest *digest, struct digest *ret, struct err *e);

/* For gc: forget what belongs to images and layers that are gone. */
NODISCARD int packed_sweep(struct store *s, struct err *e);

#endif
