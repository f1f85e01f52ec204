/* SPDX-License-Identifier: Apache-2.0 */
/* Images and their names. An image is a manifest and a config (blobs) and the layers it lists. */
#ifndef CACHE_IMAGES_H
#define CACHE_IMAGES_H

#include "cache/store.h"

struct image_row {
	struct digest manifest, config;	/* sha256; the config's is the IMAGE ID users see */
	int64_t created_ns;		/* when it was stored here, since 1970 */
	uint64_t size;			/* bytes of all its layers' tars */
};

/* Remember an image; its blobs are stored and its layers published and pinned by the caller (who calls
 * this before the pins go). Again with the same manifest: only created_ns changes. diff_ids:
 * base first. Errors: ERR_NOT_FOUND if a layer is not in the store. */
NODISCARD int images_put(struct store *s, const struct image_row *img,
			 const struct digest *diff_ids, size_t n, struct err *e);
/* Let name (canonical text) mean the image, no longer another. Errors: ERR_NOT_FOUND (no such
 * image). */
NODISCARD int images_tag(struct store *s, const char *name, const struct digest *manifest,
			 struct err *e);
NODISCARD int images_untag(struct store *s, const char *name, struct err *e);	/* 1 removed, 0 no such name, -1 */
/* Forget an image and its names; blobs and layers that nothing else needs become garbage. 1, 0 or
 * -1. */
NODISCARD int images_remove(struct store *s, const struct digest *manifest, struct err *e);

/* Look-ups: 1 found, 0 not, -1. Nothing is pinned: opening its layers and blobs does that, and says
 * if they went. */
NODISCARD int images_by_name(struct store *s, const char *name, struct image_row *ret,
			     struct err *e);
NODISCARD int images_by_manifest(struct store *s, const struct digest *manifest,
				 struct image_row *ret, struct err *e);
/* hex: 1 to 64 digits, the start of a config's or manifest's digest. Errors: ERR_CONFLICT
 * (several), ERR_USAGE. */
NODISCARD int images_by_id_prefix(struct store *s, struct str hex, struct image_row *ret,
				  struct err *e);

/* Diff IDs of an image's layers, base first; *ret is the caller's to free. */
NODISCARD int images_layers(struct store *s, const struct digest *manifest, struct digest **ret,
			    size_t *n, struct err *e);
/* Appends the image's names, sorted. */
NODISCARD int images_names(struct store *s, const struct digest *manifest, struct strv *ret,
			   struct err *e);

struct image_entry {
	struct image_row row;
	struct strv names;		/* sorted; empty: untagged */
};
struct image_list {			/* { 0 } is a valid empty one */
	struct image_entry *v;		/* newest first */
	size_t n;
};
NODISCARD int images_list(struct store *s, struct image_list *ret, struct err *e);
void images_list_done(struct image_list *l);
#define auto_image_list __attribute__((cleanup(images_list_done)))

#endif
