/* SPDX-License-Identifier: Apache-2.0 */
/* A repository of a registry: manifests, tags, blobs both ways (distribution-spec). */
#ifndef REGISTRY_REMOTE_H
#define REGISTRY_REMOTE_H

#include "image/ref.h"
#include "registry/client.h"
#include "registry/wire.h"

#define REMOTE_BLOBS 4		/* blobs that are fetched from one repository at the same time */
#define REMOTE_CHUNK ((size_t)8 << 20)	/* bytes of an upload's part, unless the registry wants more or less */

struct store;

struct remote_opts {
	struct store *store;	/* where partial downloads and uploads are remembered; NULL: they are not */
	size_t chunk;		/* bytes of an upload's part; 0: REMOTE_CHUNK */
	bool foreign;		/* send also layers that are to be fetched from elsewhere */
};

struct remote {
	struct wire w;
	struct client *c;	/* borrowed */
	struct remote_opts o;
	struct ref ref;		/* what the name means here: its digest if it has one, else its tag */
	char repo[REF_TEXT_MAX];	/* "host/path" */
	pthread_mutex_t lock;
	pthread_cond_t left;
	size_t busy;		/* downloads that run; guarded by lock */
};

/* *ret is the caller's, wire_free(&ret->w); c and the store stay its, too. */
struct remote *remote_new(struct client *c, const struct ref *ref, const struct remote_opts *o);

/* The manifest d, or (NULL) the one called tag (NULL: as the reference says): 1, 0 there is none, -1. */
NODISCARD int remote_manifest(struct job *j, struct remote *r, const char *tag, const struct digest *d,
			      struct wire_doc *ret, struct err *e);
/* Its digest alone: by HEAD, where that does not tell by GET. 1, 0, -1. */
NODISCARD int remote_digest(struct job *j, struct remote *r, struct digest *ret, struct err *e);
/* tag NULL: by its digest. Errors: client_refused()'s; ERR_LIMIT (413, with the size). *missing (may be NULL) is set, and
 * e->kind is ERR_NOT_FOUND, if the registry lacks a blob of it. */
NODISCARD int remote_put_manifest(struct job *j, struct remote *r, const char *tag, const struct wire_doc *d,
				  struct digest *missing, struct err *e);
/* Delete the tag alone where the registry can. Errors: ERR_NOT_FOUND, ERR_USAGE (it can't). */
NODISCARD int remote_untag(struct job *j, struct remote *r, struct err *e);
/* Appends all tags in the registry's order. Errors: ERR_NOT_FOUND (repository), ERR_LIMIT, ERR_DENIED (Link). */
NODISCARD int remote_tags(struct job *j, struct remote *r, struct strv *ret, struct err *e);
/* Does the repository have the blob? 1, 0, -1. */
NODISCARD int remote_has(struct job *j, struct remote *r, const struct digest *d, struct err *e);

/* A download that others wait for may be slow: at most REMOTE_BLOBS run. */
void remote_enter(struct remote *r);
void remote_leave(struct remote *r);

/* A request of the repository, to be completed. */
struct client_request remote_request(const struct remote *r, const char *method, const char *path);
/* "manifests/<d or name>", "blobs/<d>" */
#define REMOTE_PATH_MAX (32 + MAX(DIGEST_TEXT_MAX, REF_TAG_MAX + 1))
const char *remote_path(const char *what, const char *name, const struct digest *d, char ret[static REMOTE_PATH_MAX]);
/* Wait before attempt n (from 1 on), longer each time. Errors: ERR_CANCELLED. */
NODISCARD int remote_pause(struct job *j, unsigned n, struct err *e);

#endif
