/* SPDX-License-Identifier: Apache-2.0 */
/* All stored images, filtered. */
#ifndef ENGINE_IMAGES_H
#define ENGINE_IMAGES_H

#include "registry/local.h"

struct images_args {
	const char *name;	/* REPOSITORY[:TAG], may hold * ? [ ]; NULL: all */
	struct strv filters;	/* "key=value": reference dangling label before since */
};

struct image_info {
	struct image image;
	struct strv names;	/* canonical, sorted; those that match; empty: untagged */
	bool has_created;
	int64_t created_ns;	/* when it was made, since 1970 */
};
struct image_infos {		/* { 0 } is a valid empty one */
	struct image_info *v;	/* newest first */
	size_t n;
};
void image_infos_done(struct image_infos *l);
#define auto_image_infos __attribute__((cleanup(image_infos_done)))

/**
 * Filters of different keys must all match; of one key any must, but all labels.
 * Errors: ERR_USAGE (filter), ERR_NOT_FOUND (before, since), ERR_CORRUPT (a config, with the image's ID).
 */
NODISCARD int images_query(struct store *s, const struct images_args *a, struct image_infos *ret, struct err *e);

#endif
