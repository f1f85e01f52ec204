/* SPDX-License-Identifier: Apache-2.0 */
/* One stored image: finding it, naming it, removing it. */
#ifndef ENGINE_IMAGE_H
#define ENGINE_IMAGE_H

#include "registry/local.h"

struct store;

/* As local_find(), with a hint how images come into the store. */
NODISCARD int image_resolve(struct store *s, const char *name, struct image_row *ret, struct err *e);
/* Resolve and open: *ret is the caller's, image_done(). */
NODISCARD int image_open(struct store *s, const char *name, struct image *ret, struct err *e);

/* Give the image src one more name, dst (a reference without digest). Errors: ERR_USAGE, ERR_NOT_FOUND. */
NODISCARD int image_tag(struct store *s, const char *src, const char *dst, struct err *e);

struct image_removal {		/* what image_remove() did, in order; { 0 } is a valid empty one */
	struct strv untagged;	/* familiar names */
	struct strv deleted;	/* "sha256:..." of the image */
};
void image_removal_done(struct image_removal *r);

/**
 * Remove a name, and with its last one the image. An ID removes all names (more than one only with force).
 *
 * Layers and blobs that nothing else needs become garbage, which gc takes.
 * Errors: ERR_CONFLICT (a container uses the image: with force only a running one is in the way;
 *         several names and no force), ERR_NOT_FOUND.
 */
NODISCARD int image_remove(struct store *s, const char *name, bool force, struct image_removal *ret,
			   struct err *e);

/* The same for an image found already, with all its names, but only if no container at all uses it. */
NODISCARD int image_remove_unused(struct store *s, const struct image_row *row, struct image_removal *ret, struct err *e);

#endif
