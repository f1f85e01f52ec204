/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends that hold manifests as bytes: a registry, an OCI layout in a directory or an archive. Between two of them
 * an image, or an index with all that it points to, is copied byte for byte: every digest stays what it was.
 */
#ifndef REGISTRY_WIRE_H
#define REGISTRY_WIRE_H

#include "image/manifest.h"
#include "registry/transport.h"

struct wire_doc {		/* a manifest or an index; { 0 } is a valid empty one */
	struct buf text;	/* as it came */
	const struct media *media;	/* MEDIA_MANIFEST or MEDIA_INDEX */
	struct digest digest;	/* of text, in the algorithm it was asked for by */
};
void wire_doc_done(struct wire_doc *d);
#define auto_doc __attribute__((cleanup(wire_doc_done)))
/* Take text (which becomes *ret's), check it against want (may be NULL), and tell its kind. type: what its sender called
 * it, may be NULL. Errors: ERR_CORRUPT, ERR_LIMIT. */
NODISCARD int wire_doc_take(struct buf *text, const struct digest *want, const char *type, struct wire_doc *ret,
			    struct err *e);

struct wire;
struct wire_type {
	const char *name;	/* "registry"; for messages */
	/* What the end's own name means (d NULL), or the manifest d: 1, 0 there is none, -1. Bytes are checked. */
	int (*manifest)(struct job *j, struct wire *w, const struct digest *d, struct wire_doc *ret, struct err *e);
	/* All bytes of a blob, in order, checked at their end (ERR_CORRUPT). May be repeated. */
	int (*blob)(struct job *j, struct wire *w, const struct descriptor *b, bytes_put put, void *arg, struct err *e);
	/* Have the blob here: it may be there already, or be had without its bytes travelling; else from->type->blob().
	 * From several threads at once. */
	int (*put_blob)(struct job *j, struct wire *w, const struct descriptor *b, struct wire *from, struct err *e);
	/* All that it points to is here. named: also under the end's own name. */
	int (*put_manifest)(struct job *j, struct wire *w, const struct wire_doc *d, bool named, struct err *e);
	int (*end)(struct job *j, struct wire *w, struct err *e);	/* all was put; may be NULL */
	void (*free)(struct wire *w);
};
struct wire {
	const struct wire_type *type;
	const char *host, *repo;	/* of a registry; else NULL */
};
void wire_free(struct wire *w);		/* NULL is fine */
static inline void wire_cleanup(struct wire **w) { wire_free(*w); }
#define auto_wire __attribute__((cleanup(wire_cleanup)))

struct wire_opts {
	bool all;		/* an index with all it points to; else the image that suits */
	const struct platform *want;	/* NULL: the host's */
	const struct platform *only;	/* with all: of the index's entries bring only those for these, */
	size_t nonly;			/* the index stays as it is; 0: all entries */
	bool has_format, docker;	/* the manifest's media types become Docker's or OCI's; not of an index */
	bool foreign;		/* bring layers, too, that are to be fetched from elsewhere */
};

/**
 * Copy what from's name means to to's name. *ret gets the digest of what to's name then means.
 * Errors: ERR_NOT_FOUND (name, platform), ERR_CORRUPT, ERR_LIMIT, those of the ends.
 */
NODISCARD int wire_copy(struct job *j, struct wire *from, struct wire *to, const struct wire_opts *o,
			struct digest *ret, struct err *e);

/* From what the end's name means through indexes to the image that suits (want NULL: the host's, or the only one).
 * top (may be NULL) gets the digest that the name means. Errors: ERR_NOT_FOUND (lists the choices). */
NODISCARD int wire_image(struct job *j, struct wire *from, const struct platform *want, struct wire_doc *ret,
			 struct digest *top, struct err *e);

/* A small blob as a whole, checked; its descriptor may hold its bytes. Errors: ERR_LIMIT above max. */
NODISCARD int wire_text(struct job *j, struct wire *from, const struct descriptor *b, size_t max, struct buf *ret,
			struct err *e);

#endif
