/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of a copy. An origin lists the images it has and gives the bytes of their layers; a
 * target takes layers, then shows all images at once or none.
 *
 *   origin: list ──► offers ──► target: begin ──► layer (each diff ID once) ... ──► end
 */
#ifndef REGISTRY_TRANSPORT_H
#define REGISTRY_TRANSPORT_H

#include "base/task.h"
#include "cache/packed.h"
#include "cache/tar.h"
#include "image/config.h"

struct offer_layer {
	struct digest diff_id;
	uint64_t tar_size;	/* bytes of the uncompressed tar; 0 if the origin cannot know it beforehand */
	const struct packed *blob;	/* its form at the origin, complete once it was pulled; NULL if there is none to remember */
	const void *own;	/* the origin's */
};

struct offer {			/* one image */
	struct strv names;	/* canonical; may be empty */
	struct buf text;	/* the config's bytes as they came: their SHA-256 is the image's ID */
	struct config *config;	/* parsed from text */
	struct offer_layer *layers;	/* base first, one for each of the config's diff IDs */
	size_t nlayers;
	char *repo;		/* the repository that it comes from; NULL: none, and then also: */
	struct digest top;	/* what its name means there: of an index, or of */
	struct buf manifest;	/* its manifest, as it came */
};

struct offers {			/* { 0 } is a valid empty one */
	struct offer *v;
	size_t n;
};
/* One more, empty; valid until the next call. */
struct offer *offers_add(struct offers *o);
void offers_done(struct offers *o);
#define auto_offers __attribute__((cleanup(offers_done)))

/* The image's OCI manifest with uncompressed layers (all tar sizes known): what the store files it under. */
void offer_manifest(const struct offer *o, struct buf *ret);
struct digest offer_id(const struct offer *o);

typedef int (*layer_take)(void *arg, bytes_get get, void *get_arg, struct err *e);

struct origin;
struct origin_type {
	const char *name;	/* "docker archive"; for messages */
	size_t parallel;	/* layers that may be asked for at the same time; 0: one */
	/* Append all images, configs and names checked, every layer known to be there. */
	int (*list)(struct job *j, struct origin *o, struct offers *ret, struct err *e);
	/*
	 * A layer's bytes, one of the two ways, the other is NULL. pull: take() reads them by get, perhaps compressed;
	 * they are checked against the blob's digest afterwards, if the origin knows one. push: exactly the tar.
	 */
	int (*pull)(struct job *j, struct origin *o, const struct offer_layer *l, layer_take take, void *arg,
		    struct err *e);
	int (*push)(struct job *j, struct origin *o, const struct offer_layer *l, bytes_put put, void *arg,
		    struct err *e);
	int (*end)(struct job *j, struct origin *o, struct err *e);	/* the target has all, durably; may be NULL */
	void (*free)(struct origin *o);
};
struct origin { const struct origin_type *type; };

struct target;
struct target_type {
	const char *name;
	bool pushed;		/* layer() calls the origin's push, else its pull */
	int (*begin)(struct job *j, struct target *t, const struct offers *o, struct err *e);
	/* For origins with `parallel`: from several threads. */
	int (*layer)(struct job *j, struct target *t, struct origin *from, const struct offer_layer *l, struct err *e);
	int (*end)(struct job *j, struct target *t, const struct offers *o, struct err *e);
	void (*free)(struct target *t);	/* without end() nothing of the copy stays visible */
};
struct target { const struct target_type *type; };

struct job_fd {
	struct job *j;
	int fd;
};
/* bytes_get for a descriptor that may be silent for long, as pipes are: ends when the job is cancelled.
 * arg: struct job_fd * */
ssize_t job_fd_get(void *arg, void *p, size_t n, struct err *e);

void origin_free(struct origin *o);	/* NULL is fine */
void target_free(struct target *t);
static inline void origin_cleanup(struct origin **o) { origin_free(*o); }
static inline void target_cleanup(struct target **t) { target_free(*t); }
#define auto_origin __attribute__((cleanup(origin_cleanup)))
#define auto_target __attribute__((cleanup(target_cleanup)))

#endif
