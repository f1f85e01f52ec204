/* SPDX-License-Identifier: Apache-2.0 */
/* Images of the store into a repository. */
#ifndef REGISTRY_PUSH_H
#define REGISTRY_PUSH_H

#include "cache/images.h"
#include "registry/remote.h"

struct push_opts {
	bool has_kind;		/* the layers' compression was asked for; else: as they are known, new ones gzip */
	enum zip_kind kind;
	int level;		/* of zip_new(); 0: the default */
	bool foreign;		/* send also layers that are to be fetched from elsewhere */
	bool has_format, docker;	/* media types of a manifest that is made here; not asked for: OCI */
};

/**
 * Push an image under tags: blobs, then the manifest under each tag.
 *
 * A layer whose compressed form is known and there is not read. Else it is mounted from another repository of the host,
 * taken from the store's blobs, made again (the same bytes), streamed from where it came from, or compressed, which
 * happens once. If all layers are as they came, so is the manifest, byte for byte; if they can't be, a warning says so.
 *
 * *size gets the manifest's bytes. Errors: the remote's, ERR_USAGE (zstd in Docker's format), layer_read()'s.
 */
NODISCARD int push_image(struct job *j, struct store *s, const struct image_row *row, struct remote *to,
			 const struct strv *tags, const struct push_opts *o, struct digest *ret, size_t *size,
			 struct err *e);

#endif
