/* SPDX-License-Identifier: Apache-2.0 */
/* import: a root file system's tar becomes an image of one layer. */
#include "base/clock.h"
#include "builder/lower.h"
#include "cache/layer.h"
#include "cache/lease.h"
#include "engine/transfer.h"
#include "parser/dockerfile.h"

struct changing {
	struct source src;
	struct diag diag;
	struct graph graph;
	struct dockerfile file;
	struct lowered low;
};

static void changing_done(struct changing *c)
{
	lowered_done(&c->low);
	graph_done(&c->graph);
	diag_done(&c->diag);
	source_done(&c->src);
}

/* Changes are lowered behind a FROM of the config that they change, or of scratch: no other image is ever asked for. */
static int base_only(void *arg, const char *ref, const struct platform *want UNUSED, struct base_image *ret, struct err *e)
{
	const struct config *base = arg;

	if (!base || strcmp(ref, "base") != 0)
		return err_set(e, ERR_USAGE, "--change cannot use the image %s", ref);
	*ret = (struct base_image){ .config = config_clone(base), .name = "base" };
	return 0;
}

/* Only what the config alone can hold: nothing that makes files. */
static int check_kinds(const struct dockerfile *f, struct err *e)
{
	static const enum instr good[] = {
		I_CMD, I_ENTRYPOINT, I_ENV, I_EXPOSE, I_HEALTHCHECK, I_LABEL, I_ONBUILD, I_SHELL, I_STOPSIGNAL, I_USER,
		I_VOLUME, I_WORKDIR,
	};

	for (size_t i = 1; i < f->n; i++) {	/* the first is our FROM */
		const struct node *n = f->nodes[i];
		bool ok = false;

		for (size_t k = 0; k < countof(good); k++)
			ok |= n->id == good[k];
		if (!ok)
			return err_set(e, ERR_USAGE, "--change cannot do \"" STR_FMT "\"", STR_ARG(n->original));
	}
	return 0;
}

static int parse_changes(struct changing *c, struct str text, struct err *e)
{
	const struct diag_item *first;

	if (source_init(&c->src, "--change", text, e) < 0)
		return -1;
	if (dockerfile_parse(&c->src, &c->diag, &c->graph.arena, &c->file, e) == 0)
		return check_kinds(&c->file, e);
	first = diag_first(&c->diag);
	return first ? err_set(e, ERR_USAGE, "--change: %s", first->msg) : -1;
}

static int changed_config(const struct config *base, const struct strv *changes, const struct platform *p,
			  struct config **ret, struct err *e)
{
	struct changing c __attribute__((cleanup(changing_done))) = { 0 };
	struct lower_opts o = { .file = &c.file, .graph = &c.graph, .network = "none", .platform = *p,
		.resolve = base_only, .arg = (void *)base };
	auto_buf struct buf text = { 0 };
	struct strv none = { 0 };

	graph_init(&c.graph);
	buf_puts(&text, base ? "FROM base\n" : "FROM scratch\n");
	for (size_t i = 0; i < changes->n; i++) {
		if (strchr(changes->v[i], '\n'))
			return err_set(e, ERR_USAGE, "--change takes one line: \"%s\"", changes->v[i]);
		buf_puts(&text, changes->v[i]);
		buf_putc(&text, '\n');
	}
	o.labels = &none;
	if (parse_changes(&c, buf_view(&text), e) < 0)
		return -1;
	if (lower(&o, &c.low, e) < 0)
		return err_wrap(e, "--change");
	*ret = take_ptr(&c.low.config);
	return 0;
}

int transfer_changes(const struct config *base, const struct strv *changes, struct config **ret, struct err *e)
{
	struct platform p = config_platform(base);

	return changed_config(base, changes, &p, ret, e);
}

int transfer_check_name(const char *name, char canonical[static REF_TEXT_MAX], struct err *e)
{
	struct ref ref;

	if (ref_parse(str_of(name), &ref, e) < 0)
		return -1;
	if (ref.has_digest)
		return err_set(e, ERR_USAGE, "%s: a new name cannot hold a digest", name);
	ref_canonical(&ref, canonical);
	return 0;
}

/* Unpack, seal and publish the one layer. */
static int import_layer(struct job *j, struct store *s, int fd, struct config *c, struct err *e)
{
	struct job_fd src = { j, fd };
	struct lease *lease = NULL;
	struct layer *l = NULL;
	int r = -1;

	if (lease_new(s, &lease, e) < 0)
		return -1;
	if (layer_import(j, s, lease, job_fd_get, &src, &l, e) == 0 && layer_publish(s, &l, 1, e) == 0) {
		config_add_diff_id(c, layer_diff_id(l));
		r = store_pin(s, layer_diff_id(l), e);
	}
	layer_unref(l);
	lease_free(lease);
	return r;
}

int transfer_import(struct job *j, struct store *s, const struct import_args *a, struct image_row *ret,
		    struct err *e)
{
	struct platform p = a->platform ? *a->platform : platform_host();
	auto_free char *comment = a->message ? xstrdup(a->message) : xasprintf("Imported from %s", a->source);
	struct config_history h = { .has_created = true, .comment = comment };
	auto_image struct image img = { 0 };
	char name[REF_TEXT_MAX];

	if ((a->name && transfer_check_name(a->name, name, e) < 0) ||
	    changed_config(NULL, &a->changes, &p, &img.config, e) < 0 ||
	    import_layer(j, s, a->fd, img.config, e) < 0)
		return a->source && !(e->kind == ERR_USAGE && e->at.src) ? err_wrap(e, "%s", a->source) : -1;
	h.created_ns = clock_now_ns();
	config_set_created(img.config, h.created_ns);
	config_add_history(img.config, &h);
	return local_put(s, img.config, a->name ? name : NULL, ret, e);
}
