/* SPDX-License-Identifier: Apache-2.0 */
/* tare network create, connect, disconnect, inspect, ls, prune, rm. */
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/session.h"
#include "cli/show.h"
#include "engine/network.h"

/* ---- create ---- */

struct create_args { struct network_args n; };

#define AT(field) offsetof(struct create_args, n.field)

static const struct opt create_opts[] = {
	{ 0, "attachable", NULL, OPT_BOOL, AT(attachable), "noted; any container may be connected" },
	{ 0, "aux-address", "NAME=ADDRESS", OPT_LIST, AT(aux), "leave this address alone" },
	{ 'd', "driver", "DRIVER", OPT_STR, AT(driver), "bridge (default)" },
	{ 0, "gateway", "ADDRESS", OPT_LIST, AT(gateways), "the host's address in a subnet (default: the first)" },
	{ 0, "internal", NULL, OPT_BOOL, AT(internal), "no way out of it, no published ports" },
	{ 0, "ip-range", "RANGE", OPT_LIST, AT(ranges), "give addresses from this part of a subnet" },
	{ 0, "ipv6", NULL, OPT_BOOL, AT(ipv6), "IPv6, too" },
	{ 0, "label", "K=V", OPT_LIST, AT(labels), "attach a label" },
	{ 'o', "opt", "K=V", OPT_LIST, AT(options), "an option of the driver: com.docker.network.driver.mtu=1400, ..." },
	{ 0, "subnet", "SUBNET", OPT_LIST, AT(subnets), "addresses of the network (default: any that are free)" },
	{ 0 },
};

static int create_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	struct create_args *a = p;
	char id[NETWORK_ID_MAX];
	struct session ss;
	int r;

	a->n.name = argv[0];
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_network_create(ss.store, &a->n, id, e);
	session_close(&ss);
	if (r == 0)
		fprintf(c->out, "%s\n", id);
	return r;
}

const struct cmd cmd_network_create = {
	.name = "network create", .synopsis = "[options] NETWORK", .about = "Create a network.",
	.opts = create_opts, .args_size = sizeof(struct create_args), .min = 1, .max = 1, .run = create_run,
};

/* ---- connect, disconnect ---- */

struct connect_args { struct network_connect n; };

static const struct opt connect_opts[] = {
	{ 0, "alias", "NAME", OPT_LIST, offsetof(struct connect_args, n.aliases), "another name for it on the network" },
	{ 0, "driver-opt", "K=V", OPT_LIST, offsetof(struct connect_args, n.options), "an option of the endpoint" },
	{ 0, "gw-priority", "N", OPT_NUM, offsetof(struct connect_args, n.priority), "the highest has the default route" },
	{ 0, "ip", "ADDRESS", OPT_STR, offsetof(struct connect_args, n.ip), "its IPv4 address" },
	{ 0, "ip6", "ADDRESS", OPT_STR, offsetof(struct connect_args, n.ip6), "its IPv6 address" },
	{ 0 },
};

static int connect_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	const struct connect_args *a = p;
	struct session ss;
	int r;

	if (session_open(&ss, c, NULL, e) < 0)
		return -1;
	r = engine_network_connect(&ss.job, ss.store, argv[0], argv[1], &a->n, e);
	session_close(&ss);
	return r;
}

const struct cmd cmd_network_connect = {
	.name = "network connect", .synopsis = "[options] NETWORK CONTAINER", .about = "Connect a container to a network.",
	.opts = connect_opts, .args_size = sizeof(struct connect_args), .min = 2, .max = 2, .run = connect_run,
};

struct disconnect_args { bool force; };

static const struct opt disconnect_opts[] = {
	{ 'f', "force", NULL, OPT_BOOL, offsetof(struct disconnect_args, force), "one that is not connected is no failure" },
	{ 0 },
};

static int disconnect_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	const struct disconnect_args *a = p;
	struct session ss;
	int r;

	if (session_open(&ss, c, NULL, e) < 0)
		return -1;
	r = engine_network_disconnect(&ss.job, ss.store, argv[0], argv[1], e);
	session_close(&ss);
	if (r < 0 && a->force && e->kind == ERR_CONFLICT) {
		err_clear(e);
		r = 0;
	}
	return r;
}

const struct cmd cmd_network_disconnect = {
	.name = "network disconnect", .synopsis = "[options] NETWORK CONTAINER",
	.about = "Disconnect a container from a network.",
	.opts = disconnect_opts, .args_size = sizeof(struct disconnect_args), .min = 2, .max = 2, .run = disconnect_run,
};

/* ---- inspect ---- */

struct inspect_args { const char *format; };

static const struct opt inspect_opts[] = {
	{ 'f', "format", "TEMPLATE", OPT_STR, offsetof(struct inspect_args, format), "json, or a Go template for each network" },
	{ 0 },
};

static int inspect_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	const struct inspect_args *a = p;

	return show_each(c, a->format, argc, argv, engine_network_inspect, e);
}

const struct cmd cmd_network_inspect = {
	.name = "network inspect", .synopsis = "[options] NETWORK...", .about = "Show all about networks.",
	.opts = inspect_opts, .args_size = sizeof(struct inspect_args), .min = 1, .max = -1, .run = inspect_run,
};

/* ---- ls ---- */

struct ls_args {
	struct strv filters;
	const char *format;
	bool quiet, no_trunc;
};

static const struct opt ls_opts[] = {
	{ 'f', "filter", "KEY=VALUE", OPT_LIST, offsetof(struct ls_args, filters),
	  "only those that match: dangling, driver, id, label, name, scope, type" },
	{ 0, "format", "TEMPLATE", OPT_STR, offsetof(struct ls_args, format), "table [TEMPLATE], json, or a Go template" },
	{ 0, "no-trunc", NULL, OPT_BOOL, offsetof(struct ls_args, no_trunc), "show IDs in full" },
	{ 'q', "quiet", NULL, OPT_BOOL, offsetof(struct ls_args, quiet), "only IDs" },
	{ 0 },
};

static const struct format_field fields[] = {
	{ "CreatedAt", "CREATED AT" }, { "Driver", "DRIVER" }, { "ID", "NETWORK ID" }, { "IPv4", "IPV4" }, { "IPv6", "IPV6" },
	{ "Internal", "INTERNAL" }, { "Labels", "LABELS" }, { "Name", "NAME" }, { "Scope", "SCOPE" }, { 0 },
};

static const char *yes(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key)) ? "true" : "false";
}

static json_t *ls_row(const json_t *o, bool whole)
{
	const char *id = json_string_value(json_object_get(o, "Id"));
	json_t *labels = json_object_get(o, "Labels"), *value, *row;
	auto_buf struct buf text = { 0 };
	const char *key;

	json_object_foreach(labels, key, value)
		buf_printf(&text, "%s%s=%s", text.n ? "," : "", key, json_string_value(value));
	row = json_pack("{s:O, s:O, s:O, s:O, s:s, s:s, s:s, s:s}", "CreatedAt", json_object_get(o, "Created"), "Driver",
			json_object_get(o, "Driver"), "Name", json_object_get(o, "Name"), "Scope",
			json_object_get(o, "Scope"), "IPv4", yes(o, "EnableIPv4"), "IPv6", yes(o, "EnableIPv6"),
			"Internal", yes(o, "Internal"), "Labels", text.p ? text.p : "");
	json_object_set_new(row, "ID", json_stringn(id, whole ? 64 : 12));
	return row;
}

static int ls_print(struct cli *c, const struct ls_args *a, const json_t *list, struct err *e)
{
	auto_format struct format *f = NULL;
	const json_t *o;
	size_t i;

	if (format_new(a->quiet && !a->format ? "{{.ID}}" : a->format, "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", fields,
		       true, &f, e) < 0)
		return -1;
	json_array_foreach(list, i, o)
		if (format_row(f, ls_row(o, a->no_trunc), e) < 0)
			return -1;
	format_print(f, c->out);
	return 0;
}

static int ls_run(struct cli *c, void *p, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	const struct ls_args *a = p;
	struct session ss;
	json_t *list;
	int r;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_network_list(ss.store, &a->filters, &list, e);
	session_close(&ss);
	if (r < 0)
		return -1;
	r = ls_print(c, a, list, e);
	json_decref(list);
	return r;
}

const struct cmd cmd_network_ls = {
	.name = "network ls", .synopsis = "[options]", .about = "List networks.",
	.opts = ls_opts, .args_size = sizeof(struct ls_args), .run = ls_run,
};

/* ---- prune ---- */

struct prune_args {
	struct strv filters;
	bool force;
};

static const struct opt prune_opts[] = {
	{ 0, "filter", "KEY=VALUE", OPT_LIST, offsetof(struct prune_args, filters), "only those that match: label, label!" },
	{ 'f', "force", NULL, OPT_BOOL, offsetof(struct prune_args, force), "do not ask" },
	{ 0 },
};

static int prune_run(struct cli *c, void *p, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	const struct prune_args *a = p;
	auto_strv struct strv removed = { 0 };
	struct session ss;
	int r;

	if (!a->force && !show_confirm(c, "This will remove all custom networks not used by at least one container."))
		return 0;
	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = engine_network_prune(ss.store, &a->filters, &removed, e);
	session_close(&ss);
	show_deleted(c->out, "Networks", &removed);
	return r;
}

const struct cmd cmd_network_prune = {
	.name = "network prune", .synopsis = "[options]", .about = "Remove networks that no container has.",
	.opts = prune_opts, .args_size = sizeof(struct prune_args), .run = prune_run,
};

/* ---- rm ---- */

struct rm_args { bool force; };

static const struct opt rm_opts[] = {
	{ 'f', "force", NULL, OPT_BOOL, offsetof(struct rm_args, force), "a missing one is no failure" },
	{ 0 },
};

static int rm_run(struct cli *c, void *p, int argc, char **argv, struct err *e)
{
	const struct rm_args *a = p;
	struct session ss;
	int status = 0;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	for (int i = 0; i < argc; i++) {
		auto_err struct err one = { 0 };

		if (engine_network_rm(ss.store, argv[i], &one) == 0 || (a->force && one.kind == ERR_NOT_FOUND)) {
			fprintf(c->out, "%s\n", argv[i]);
			continue;
		}
		session_print_err(c, &one);
		status = 1;
	}
	session_close(&ss);
	return status;
}

const struct cmd cmd_network_rm = {
	.name = "network rm", .synopsis = "[options] NETWORK...", .about = "Remove networks.",
	.opts = rm_opts, .args_size = sizeof(struct rm_args), .min = 1, .max = -1, .run = rm_run,
};
