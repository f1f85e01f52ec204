/* SPDX-License-Identifier: Apache-2.0 */
/* What run and create say about networks and ports. */
#include "engine/run_net.h"

#include <stdio.h>

#include "cache/store.h"
#include "engine/run.h"
#include "runtime/container/container.h"
#include "runtime/container/jsontext.h"
#include "runtime/network/hosts.h"
#include "runtime/network/netdef.h"
#include "runtime/network/ports.h"

struct wish {			/* one --network; texts are owned */
	char *name, *ip, *ip6, *mac;
	struct strv aliases, options;
	int64_t priority;
};

static void wish_done(struct wish *w)
{
	free(w->name);
	free(w->ip);
	free(w->ip6);
	free(w->mac);
	strv_done(&w->aliases);
	strv_done(&w->options);
	*w = (struct wish){ 0 };
}
#define auto_wish __attribute__((cleanup(wish_done)))

/* ---- --network ---- */

static void put(char **to, struct str value)
{
	free(*to);
	*to = str_dup(value);
}

static int wish_field(struct wish *w, struct str key, struct str value, struct err *e)
{
	uint64_t n;

	if (str_is(key, "name")) {
		put(&w->name, value);
	} else if (str_is(key, "alias")) {
		strv_add_n(&w->aliases, value);
	} else if (str_is(key, "ip")) {
		put(&w->ip, value);
	} else if (str_is(key, "ip6")) {
		put(&w->ip6, value);
	} else if (str_is(key, "mac-address")) {
		put(&w->mac, value);
	} else if (str_is(key, "driver-opt")) {
		if (str_find(value, '=') < 0)
			return err_set(e, ERR_USAGE, "invalid key value pair format in driver options");
		strv_add_n(&w->options, value);
	} else if (str_is(key, "gw-priority")) {
		bool minus = value.n && value.p[0] == '-';

		if (!str_to_u64(str_sub(value, minus, value.n), 10, &n) || n > INT32_MAX)
			return err_set(e, ERR_USAGE, "invalid gw-priority: " STR_FMT, STR_ARG(value));
		w->priority = minus ? -(int64_t)n : (int64_t)n;
	} else {
		return err_set(e, ERR_USAGE, "invalid field key " STR_FMT, STR_ARG(key));
	}
	return 0;
}

/* A name, or "name=x,alias=y,...". */
static int wish_parse(const char *text, struct wish *w, struct err *e)
{
	struct str rest = str_of(text);

	if (!strchr(text, '=')) {
		put(&w->name, rest);
		return 0;
	}
	while (rest.p) {
		struct str value = str_cut(&rest, ','), key = str_cut(&value, '=');

		if (!value.p)
			return err_set(e, ERR_USAGE, "invalid field %s: must be a key=value pair", text);
		if (wish_field(w, key, value, e) < 0)
			return -1;
	}
	return w->name && *w->name ? 0 : err_set(e, ERR_USAGE, "network name/id is not specified: %s", text);
}

static bool is_private(const char *name)
{
	return strcmp(name, "host") == 0 || strcmp(name, "none") == 0 || str_starts(str_of(name), "container:");
}

static bool is_default(const char *name)
{
	return strcmp(name, "default") == 0 || strcmp(name, "bridge") == 0;
}

/* The container whose network it shall share: its ID, so that a rename does not matter. */
static int join_mode(struct store *s, const char *ref, char **mode, struct err *e)
{
	struct container *c;

	if (!*ref)
		return err_set(e, ERR_USAGE, "invalid container format container:<name|id>");
	if (container_open(s, ref, &c, e) < 0)
		return -1;
	*mode = xasprintf("container:%s", c->id);
	container_free(c);
	return 0;
}

static int find(struct store *s, const char *name, struct netdef **ret, struct err *e)
{
	int dir = store_dir(s, STORE_NETWORKS, e);

	return dir < 0 ? -1 : netdef_find(dir, name, ret, e);
}

int run_net_mode(struct store *s, const struct run_args *a, char **mode, struct err *e)
{
	auto_wish struct wish w = { 0 };
	auto_netdef struct netdef *d = NULL;

	if (a->networks.n == 0) {
		*mode = xstrdup("default");
		return 0;
	}
	if (wish_parse(a->networks.v[0], &w, e) < 0)
		return -1;
	if (str_starts(str_of(w.name), "container:"))
		return join_mode(s, w.name + strlen("container:"), mode, e);
	if (is_private(w.name) || strcmp(w.name, "default") == 0) {
		*mode = xstrdup(w.name);
		return 0;
	}
	if (find(s, w.name, &d, e) < 0)
		return -1;
	*mode = xstrdup(d->name);
	return 0;
}

/* ---- what does not go together ---- */

/* runconfig's words */
static int check_joined(const struct run_args *a, struct err *e)
{
	if (a->hostname)
		return err_set(e, ERR_USAGE, "conflicting options: hostname and the network mode");
	if (a->dns.n)
		return err_set(e, ERR_USAGE, "conflicting options: dns and the network mode");
	if (a->add_hosts.n)
		return err_set(e, ERR_USAGE, "conflicting options: custom host-to-IP mapping and the network mode");
	if (a->mac)
		return err_set(e, ERR_USAGE, "conflicting options: mac-address and the network mode");
	if (a->ports.n || a->publish_all)
		return err_set(e, ERR_USAGE, "conflicting options: port publishing and the container type network mode");
	if (a->expose.n)
		return err_set(e, ERR_USAGE, "conflicting options: port exposing and the container type network mode");
	return 0;
}

static int check_private(const struct run_args *a, const char *mode, struct err *e)
{
	if (a->networks.n > 1)
		return err_set(e, ERR_USAGE, "conflicting options: cannot attach both user-defined and non-user-defined "
			       "network-modes");
	if (a->ip || a->ip6 || a->aliases.n)
		return err_set(e, ERR_USAGE, "conflicting options: %s and the network mode %s",
			       a->aliases.n ? "network-alias" : "ip address", mode);
	return str_starts(str_of(mode), "container:") ? check_joined(a, e) : 0;
}

static int check_dns(const struct run_args *a, struct err *e)
{
	struct addr addr;

	for (size_t i = 0; i < a->dns.n; i++)
		if (!addr_parse(str_of(a->dns.v[i]), &addr))
			return err_set(e, ERR_USAGE, "%s is not an ip address", a->dns.v[i]);
	for (size_t i = 0; i < a->add_hosts.n; i++)
		if (hosts_check(a->add_hosts.v[i], e) < 0)
			return -1;
	return 0;
}

/* The options that stand alone are the first network's. */
static int merge_first(const struct run_args *a, struct wish *w, struct err *e)
{
	if (a->aliases.n && w->aliases.n)
		return err_set(e, ERR_USAGE, "conflicting options: cannot specify both --network-alias and per-network alias");
	if (a->ip && w->ip)
		return err_set(e, ERR_USAGE, "conflicting options: cannot specify both --ip and per-network IPv4 address");
	if (a->ip6 && w->ip6)
		return err_set(e, ERR_USAGE, "conflicting options: cannot specify both --ip6 and per-network IPv6 address");
	if (a->mac && w->mac)
		return err_set(e, ERR_USAGE, "conflicting options: cannot specify both --mac-address and per-network MAC address");
	strv_copy(&w->aliases, &a->aliases);
	if (a->ip)
		put(&w->ip, str_of(a->ip));
	if (a->ip6)
		put(&w->ip6, str_of(a->ip6));
	if (a->mac)
		put(&w->mac, str_of(a->mac));
	return 0;
}

static int check_wish(const struct wish *w, const struct netdef *d, struct err *e)
{
	struct addr a;
	struct mac m;

	if (w->mac && !mac_parse(str_of(w->mac), &m))
		return err_set(e, ERR_USAGE, "%s is not a valid mac address", w->mac);
	if ((w->ip && (!addr_parse(str_of(w->ip), &a) || a.family != AF_INET)) ||
	    (w->ip6 && (!addr_parse(str_of(w->ip6), &a) || a.family != AF_INET6)))
		return err_set(e, ERR_USAGE, "invalid IP address: %s", w->ip ? w->ip : w->ip6);
	if (netdef_is_default(d) && w->aliases.n)
		return err_set(e, ERR_USAGE, "network-scoped alias is supported only for containers in user defined networks");
	if (netdef_is_default(d) && (w->ip || w->ip6))
		return err_set(e, ERR_USAGE, "user specified IP address is supported on user defined networks only");
	return 0;
}

static json_t *options_json(const struct strv *l)
{
	json_t *o = json_object();

	for (size_t i = 0; i < l->n; i++) {
		struct str value = str_of(l->v[i]), k = str_cut(&value, '=');
		auto_free char *key = str_dup(k);

		json_object_set_new(o, key, jsontext(value.p));
	}
	return o;
}

static json_t *wish_json(const struct wish *w)
{
	json_t *o = json_object(), *ipam = json_null();

	if (w->ip || w->ip6) {
		ipam = json_object();
		if (w->ip)
			json_object_set_new(ipam, "IPv4Address", json_string(w->ip));
		if (w->ip6)
			json_object_set_new(ipam, "IPv6Address", json_string(w->ip6));
	}
	json_object_set_new(o, "IPAMConfig", ipam);
	json_object_set_new(o, "Links", json_null());
	json_object_set_new(o, "Aliases", w->aliases.n ? jsontext_list(&w->aliases, 0) : json_null());
	json_object_set_new(o, "MacAddress", json_string(w->mac ? w->mac : ""));
	json_object_set_new(o, "DriverOpts", w->options.n ? options_json(&w->options) : json_null());
	json_object_set_new(o, "GwPriority", json_integer(w->priority));
	return o;
}

static int add_network(struct store *s, const struct run_args *a, size_t i, json_t *networks, struct err *e)
{
	auto_wish struct wish w = { 0 };
	auto_netdef struct netdef *d = NULL;

	if (a->networks.n && wish_parse(a->networks.v[i], &w, e) < 0)
		return -1;
	if (i > 0 && (is_private(w.name) || is_default(w.name)) && is_private(w.name))
		return err_set(e, ERR_USAGE, "conflicting options: cannot attach both user-defined and non-user-defined "
			       "network-modes");
	if (find(s, !w.name || strcmp(w.name, "default") == 0 ? "bridge" : w.name, &d, e) < 0 ||
	    (i == 0 && merge_first(a, &w, e) < 0) || check_wish(&w, d, e) < 0)
		return -1;
	if (json_object_get(networks, d->name))
		return err_set(e, ERR_USAGE, "network \"%s\" is specified multiple times", d->name);
	json_object_set_new(networks, d->name, wish_json(&w));
	return 0;
}

/* ---- ports ---- */

static void bind_json(json_t *bindings, const struct port_spec *p)
{
	char key[32], ip[ADDR_TEXT_MAX], port[16] = "";
	json_t *list;

	snprintf(key, sizeof(key), "%u/%s", p->port, port_protocol_name(p->protocol));
	if (p->first)
		snprintf(port, sizeof(port), p->first == p->last ? "%u" : "%u-%u", p->first, p->last);
	list = json_object_get(bindings, key);
	if (!list) {
		list = json_array();
		json_object_set_new(bindings, key, list);
	}
	json_array_append_new(list, json_pack("{s:s, s:s}", "HostIp", addr_text(&p->host, ip), "HostPort", port));
}

static void expose_json(json_t *exposed, const struct port_spec *p)
{
	char key[32];

	snprintf(key, sizeof(key), "%u/%s", p->port, port_protocol_name(p->protocol));
	json_object_set_new(exposed, key, json_object());
}

static int put_ports(const struct run_args *a, json_t *config, json_t *host, struct err *e)
{
	auto_port_specs struct port_specs published = { 0 }, exposed = { 0 };
	json_t *bindings = json_object(), *set = json_object_get(config, "ExposedPorts");

	json_object_set_new(host, "PortBindings", bindings);
	json_object_set_new(host, "PublishAllPorts", json_boolean(a->publish_all));
	if (!set) {
		set = json_object();
		json_object_set_new(config, "ExposedPorts", set);
	}
	for (size_t i = 0; i < a->ports.n; i++)
		if (port_specs_parse(a->ports.v[i], &published, e) < 0)
			return -1;
	for (size_t i = 0; i < a->expose.n; i++)
		if (port_specs_expose(a->expose.v[i], &exposed, e) < 0)
			return -1;
	for (size_t i = 0; i < published.n; i++) {
		bind_json(bindings, &published.v[i]);
		expose_json(set, &published.v[i]);
	}
	for (size_t i = 0; i < exposed.n; i++)
		expose_json(set, &exposed.v[i]);
	return 0;
}

int run_net_record(struct store *s, const struct run_args *a, const char *mode, json_t *config, struct err *e)
{
	json_t *networks = json_object(), *settings = json_object();
	size_t n = MAX(a->networks.n, (size_t)1);

	json_object_set_new(settings, "Networks", networks);
	json_object_set_new(config, "NetworkSettings", settings);
	if (check_dns(a, e) < 0)
		return -1;
	if (is_private(mode)) {
		if (check_private(a, mode, e) < 0)
			return -1;
		if (!str_starts(str_of(mode), "container:"))
			json_object_set_new(networks, mode, wish_json(&(struct wish){ 0 }));
		n = 0;
	}
	for (size_t i = 0; i < n; i++)
		if (add_network(s, a, i, networks, e) < 0)
			return -1;
	return put_ports(a, json_object_get(config, "Config"), json_object_get(config, "HostConfig"), e);
}
