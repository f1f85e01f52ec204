/* SPDX-License-Identifier: Apache-2.0 */
/* OCI layouts as ends that hold manifests as bytes. Spec: OCI image-spec, image-layout.md */
#include <errno.h>
#include <sys/file.h>

#include "base/fs.h"
#include "cache/store.h"
#include "registry/ends.h"
#include "registry/layout.h"
#include "registry/members.h"

#define REF_NAME "org.opencontainers.image.ref.name"
#define LAYOUT_TEXT "{\"imageLayoutVersion\":\"1.0.0\"}"

/* --- reading --- */

struct source {
	struct wire w;
	struct members *m;
	char *tag;
};

static int pick(const struct source *s, const struct index *ix, struct digest *ret, struct err *e)
{
	auto_buf struct buf names = { 0 };
	size_t found = 0;

	for (size_t i = 0; i < ix->n; i++) {
		const struct descriptor *d = &ix->entries[i];
		bool other = found && !digest_eq(ret, &d->digest);

		if (d->ref_name && names.n < 800)
			buf_printf(&names, "%s%s", names.n ? ", " : "", d->ref_name);
		if (s->tag ? !layout_has_tag(d, s->tag) : d->attestation)
			continue;
		if (!found || (other && !s->tag)) {
			*ret = d->digest;
			found++;
		}
	}
	if (found == 1)
		return 1;
	if (found == 0)
		return 0;
	return err_set(e, ERR_USAGE, "the layout has several images; say which by its tag: %s",
		       names.n ? names.p : "(they have none)");
}

static int source_manifest(struct job *j UNUSED, struct wire *w, const struct digest *d, struct wire_doc *ret,
			   struct err *e)
{
	struct source *s = container_of(w, struct source, w);
	auto_arena struct arena a = { 0 };
	auto_buf struct buf text = { 0 };
	struct digest named;
	struct index ix;
	int r;

	if (!d) {
		r = members_text(s->m, "index.json", MANIFEST_MAX, &text, e);
		if (r <= 0)
			return r < 0 ? -1 : err_set(e, ERR_CORRUPT, "it is no OCI layout: index.json is missing");
		if (index_parse(buf_view(&text), &a, &ix, e) < 0)
			return err_wrap(e, "index.json");
		r = pick(s, &ix, &named, e);
		if (r <= 0)
			return r;
		d = &named;
	}
	r = members_blob(s->m, d, MANIFEST_MAX, &text, e);
	return r > 0 && wire_doc_take(&text, d, NULL, ret, e) < 0 ? -1 : r;
}

static int source_blob(struct job *j, struct wire *w, const struct descriptor *b, bytes_put put, void *arg, struct err *e)
{
	struct source *s = container_of(w, struct source, w);
	auto_free char *p = xmalloc((size_t)1 << 18);
	auto_member struct member f = { 0 };
	char name[MEMBERS_BLOB_MAX];
	struct hasher h;
	struct digest got;
	ssize_t n;
	int r = members_find(s->m, members_blob_name(&b->digest, name), &f, e);

	if (r <= 0)
		return r < 0 ? -1 : err_set(e, ERR_CORRUPT, "%s is missing", name);
	if (f.size != b->size)
		return err_set(e, ERR_CORRUPT, "%s has %llu bytes, its descriptor says %llu", name, (unsigned long long)f.size,
			       (unsigned long long)b->size);
	hasher_init(&h, b->digest.alg);
	while ((n = member_get(&f, p, (size_t)1 << 18, e)) > 0) {
		hasher_update(&h, p, (size_t)n);
		if (job_check(j, e) < 0 || put(arg, p, (size_t)n, e) < 0)
			return -1;
	}
	if (n < 0)
		return err_wrap(e, "%s", name);
	got = digest_final(&h);
	return digest_eq(&got, &b->digest) ? 0 : err_set(e, ERR_CORRUPT, "%s: its bytes do not match its name", name);
}

static void source_free(struct wire *w)
{
	struct source *s = container_of(w, struct source, w);

	members_free(s->m);
	free(s->tag);
	free(s);
}

int layout_source(struct job *j, int fd, const char *tag, struct wire **ret, struct err *e)
{
	static const struct wire_type type = {
		.name = "layout", .manifest = source_manifest, .blob = source_blob, .free = source_free,
	};
	struct source *s;
	struct members *m;
	struct stat st;
	int dup;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat the layout");
	if (S_ISDIR(st.st_mode)) {
		dup = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (dup < 0)
			return err_sys(e, "duplicate a descriptor");
		m = members_of_dir(dup);
	} else if (members_of_archive(j, fd, &m, e) < 0) {
		return -1;
	}
	s = xcalloc(1, sizeof(*s));
	*s = (struct source){ { &type, NULL, NULL }, m, tag ? xstrdup(tag) : NULL };
	*ret = &s->w;
	return 0;
}

/* --- a directory to write to --- */

struct dir {
	struct wire w;
	int fd;
	char *tag;
};

static int dir_has(struct dir *d, const struct descriptor *b, const char *name)
{
	struct stat st;

	return fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == b->size;
}

static int put_fd(void *arg, const void *p, size_t n, struct err *e)
{
	return fs_write_all(*(int *)arg, p, n, e);
}

/* A temporary name, then rename: a blob that has its name is whole. */
static int dir_put_blob(struct job *j, struct wire *w, const struct descriptor *b, struct wire *from, struct err *e)
{
	struct dir *d = container_of(w, struct dir, w);
	char name[MEMBERS_BLOB_MAX], id[STORE_ID_MAX];
	auto_free char *temp = NULL;
	auto_fd int fd = -1;

	if (dir_has(d, b, members_blob_name(&b->digest, name)))
		return 0;
	store_id(id);
	temp = xasprintf("blobs/.%s", id);
	fd = openat(d->fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, "write %s", temp);
	if (from->type->blob(j, from, b, put_fd, &fd, e) == 0) {
		if (renameat(d->fd, temp, d->fd, name) == 0)
			return 0;
		err_sys(e, "rename to %s", name);
	}
	(void)!unlinkat(d->fd, temp, 0);
	return -1;
}

static json_t *entry_json(const struct wire_doc *doc, const char *tag)
{
	char text[DIGEST_TEXT_MAX];
	json_t *o = json_pack("{s:s, s:s, s:I}", "mediaType", doc->media->type, "digest", digest_text(&doc->digest, text),
			      "size", (json_int_t)doc->text.n);

	if (tag)
		json_object_set_new(o, "annotations", json_pack("{s:s}", REF_NAME, tag));
	return o;
}

/* Take the tag from whoever has it; an entry that is the same but for its name goes. */
static void index_set(json_t *index, const struct wire_doc *doc, const char *tag)
{
	json_t *list = json_object_get(index, "manifests");
	char text[DIGEST_TEXT_MAX];

	digest_text(&doc->digest, text);
	for (size_t i = json_array_size(list); i-- > 0;) {
		json_t *d = json_array_get(list, i), *notes = json_object_get(d, "annotations");
		const char *name = json_string_value(json_object_get(notes, REF_NAME));
		const char *digest = json_string_value(json_object_get(d, "digest"));

		if (digest && strcmp(digest, text) == 0 && (!name || (tag && strcmp(name, tag) == 0)))
			json_array_remove(list, i);
		else if (tag && name && strcmp(name, tag) == 0)
			json_object_del(notes, REF_NAME);
	}
	json_array_append_new(list, entry_json(doc, tag));
}

static int read_index(struct dir *d, json_t **ret, struct err *e)
{
	auto_buf struct buf text = { 0 };
	auto_arena struct arena a = { 0 };
	struct index ix;

	if (faccessat(d->fd, "index.json", F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		*ret = json_pack("{s:i, s:s, s:[]}", "schemaVersion", 2, "mediaType", MEDIA_OCI_INDEX, "manifests");
		return 0;
	}
	if (fs_read(d->fd, "index.json", MANIFEST_MAX, &text, e) < 0 || index_parse(buf_view(&text), &a, &ix, e) < 0 ||
	    json_text_parse(buf_view(&text), MANIFEST_MAX, "index.json", ret, e) < 0)
		return err_wrap(e, "index.json");
	if (!json_is_array(json_object_get(*ret, "manifests")))
		json_object_set_new(*ret, "manifests", json_array());
	return 0;
}

static int set_index(struct dir *d, const struct wire_doc *doc, struct err *e)
{
	auto_free char *text = NULL;
	json_t *index;
	int r;

	if (flock(d->fd, LOCK_EX) < 0)
		return err_sys(e, "lock the layout");
	r = read_index(d, &index, e);
	if (r == 0) {
		index_set(index, doc, d->tag);
		text = json_dumps(index, JSON_COMPACT);
		json_decref(index);
		r = fs_replace(d->fd, "index.json", text, strlen(text), 0644, true, e);
	}
	(void)flock(d->fd, LOCK_UN);
	return r;
}

static int dir_put_manifest(struct job *j UNUSED, struct wire *w, const struct wire_doc *doc, bool named, struct err *e)
{
	struct dir *d = container_of(w, struct dir, w);
	char name[MEMBERS_BLOB_MAX];

	if (fs_replace(d->fd, members_blob_name(&doc->digest, name), doc->text.p, doc->text.n, 0644, false, e) < 0)
		return -1;
	return named ? set_index(d, doc, e) : 0;
}

static int dir_manifest(struct job *j UNUSED, struct wire *w UNUSED, const struct digest *d UNUSED,
			struct wire_doc *ret UNUSED, struct err *e)
{
	return err_set(e, ERR_USAGE, "the layout is open for writing");
}

static void dir_free(struct wire *w)
{
	struct dir *d = container_of(w, struct dir, w);

	if (d->fd >= 0)
		close(d->fd);
	free(d->tag);
	free(d);
}

static int dir_make(struct dir *d, const char *path, struct err *e)
{
	static const char *const dirs[] = { "blobs", "blobs/sha256", "blobs/sha512" };

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "make %s", path);
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0)
		return err_sys(e, "open %s", path);
	for (size_t i = 0; i < 2; i++)
		if (mkdirat(d->fd, dirs[i], 0755) < 0 && errno != EEXIST)
			return err_sys(e, "make %s/%s", path, dirs[i]);
	if (faccessat(d->fd, "oci-layout", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return fs_replace(d->fd, "oci-layout", LAYOUT_TEXT, strlen(LAYOUT_TEXT), 0644, false, e);
}

int layout_target(const char *path, const char *tag, struct wire **ret, struct err *e)
{
	static const struct wire_type type = {
		.name = "layout", .manifest = dir_manifest, .put_blob = dir_put_blob, .put_manifest = dir_put_manifest,
		.free = dir_free,
	};
	struct dir *d = xcalloc(1, sizeof(*d));

	*d = (struct dir){ { &type, NULL, NULL }, -1, tag ? xstrdup(tag) : NULL };
	if (dir_make(d, path, e) < 0) {
		dir_free(&d->w);
		return -1;
	}
	*ret = &d->w;
	return 0;
}

/* --- an archive to write --- */

struct archive {
	struct wire w;
	int fd;
	char *tag;
	pthread_mutex_t lock;	/* one member after the other */
	struct tar_writer tar;
	bool begun;
	struct digest *have;	/* members so far */
	size_t n;
	json_t *index;
};

static int archive_put(void *arg, const void *p, size_t n, struct err *e)
{
	struct archive *a = arg;

	return fs_write_all(a->fd, p, n, e) < 0 ? err_wrap(e, "write the archive") : 0;
}

static int archive_entry(struct archive *a, const char *name, bool dir, uint64_t size, struct err *e)
{
	return tar_write_entry(&a->tar, &(struct tar_entry){ .path = name, .type = dir ? TAR_DIR : TAR_FILE,
		.mode = dir ? 0755 : 0644, .size = size }, e);
}

static int archive_text(struct archive *a, const char *name, const char *p, size_t n, struct err *e)
{
	return archive_entry(a, name, false, n, e) < 0 ? -1 : tar_write_data(&a->tar, p, n, e);
}

static int archive_begin(struct archive *a, struct err *e)
{
	if (a->begun)
		return 0;
	a->begun = true;
	if (archive_text(a, "oci-layout", LAYOUT_TEXT, strlen(LAYOUT_TEXT), e) < 0 ||
	    archive_entry(a, "blobs", true, 0, e) < 0 || archive_entry(a, "blobs/sha256", true, 0, e) < 0)
		return -1;
	return 0;
}

/* True if the archive has it; from now on it has. */
static bool archive_has(struct archive *a, const struct digest *d)
{
	for (size_t i = 0; i < a->n; i++)
		if (digest_eq(&a->have[i], d))
			return true;
	a->have = xrealloc(a->have, (a->n + 1) * sizeof(*a->have));
	a->have[a->n++] = *d;
	return false;
}

static int archive_data_put(void *arg, const void *p, size_t n, struct err *e)
{
	struct archive *a = arg;

	if (n > a->tar.left)
		return err_set(e, ERR_CORRUPT, "the blob is longer than its descriptor says");
	return tar_write_data(&a->tar, p, n, e);
}

static int archive_put_blob(struct job *j, struct wire *w, const struct descriptor *b, struct wire *from, struct err *e)
{
	struct archive *a = container_of(w, struct archive, w);
	char name[MEMBERS_BLOB_MAX];
	auto_lock pthread_mutex_t *held = lock_hold(&a->lock);

	if (archive_has(a, &b->digest))
		return 0;
	if (archive_begin(a, e) < 0 || archive_entry(a, members_blob_name(&b->digest, name), false, b->size, e) < 0 ||
	    from->type->blob(j, from, b, archive_data_put, a, e) < 0)
		return -1;
	return a->tar.left ? err_set(e, ERR_CORRUPT, "the blob is shorter than its descriptor says") : 0;
}

static int archive_put_manifest(struct job *j UNUSED, struct wire *w, const struct wire_doc *doc, bool named, struct err *e)
{
	struct archive *a = container_of(w, struct archive, w);
	char name[MEMBERS_BLOB_MAX];

	if (named)
		json_array_append_new(json_object_get(a->index, "manifests"), entry_json(doc, a->tag));
	if (archive_has(a, &doc->digest))
		return 0;
	return archive_begin(a, e) < 0 ? -1 :
		archive_text(a, members_blob_name(&doc->digest, name), doc->text.p, doc->text.n, e);
}

static int archive_end(struct job *j UNUSED, struct wire *w, struct err *e)
{
	struct archive *a = container_of(w, struct archive, w);
	auto_free char *text = json_dumps(a->index, JSON_COMPACT);

	return archive_text(a, "index.json", text, strlen(text), e) < 0 ? -1 : tar_write_end(&a->tar, e);
}

static void archive_free(struct wire *w)
{
	struct archive *a = container_of(w, struct archive, w);

	tar_write_done(&a->tar);
	json_decref(a->index);
	pthread_mutex_destroy(&a->lock);
	free(a->have);
	free(a->tag);
	free(a);
}

struct wire *layout_archive(int fd, const char *tag)
{
	static const struct wire_type type = {
		.name = "archive", .manifest = dir_manifest, .put_blob = archive_put_blob,
		.put_manifest = archive_put_manifest, .end = archive_end, .free = archive_free,
	};
	struct archive *a = xcalloc(1, sizeof(*a));

	*a = (struct archive){ .w.type = &type, .fd = fd, .tag = tag ? xstrdup(tag) : NULL };
	pthread_mutex_init(&a->lock, NULL);
	tar_write_init(&a->tar, archive_put, a);
	a->index = json_pack("{s:i, s:s, s:[]}", "schemaVersion", 2, "mediaType", MEDIA_OCI_INDEX, "manifests");
	return &a->w;
}
