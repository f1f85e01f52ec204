/* SPDX-License-Identifier: Apache-2.0 */
/* Networks as verbs. */
#include "engine/network.h"

#include <fcntl.h>
#include <sys/random.h>

#include "base/clock.h"
#include "cache/store.h"
#include "engine/control.h"
#include "engine/filter.h"
#include "engine/sweep.h"
#include "runtime/container/container.h"
#include "runtime/container/eventlog.h"
#include "runtime/container/jsontext.h"
#include "runtime/container/network.h"
#include "runtime/network/bridge.h"
#include "runtime/network/link.h"
#include "runtime/sandbox/userns.h"

static int run_dir_of(char **ret, struct err *e)
{
	struct userns u;

	return userns_info(&u, e) < 0 ? -1 : userns_run_dir(&u, ret, e);
}

static json_t *pairs(const struct strv *l)
{
	json_t *o = json_object();

	for (size_t i = 0; i < l->n; i++) {
		struct str value = str_of(l->v[i]), k = str_cut(&value, '=');
		auto_free char *key = str_dup(k);

		json_object_set_new(o, key, jsontext(value.p ? value.p : ""));
	}
	return o;
}

/* ---- create ---- */

static int take_subnets(const struct network_args *a, struct ipam_pool *pools, size_t *n, struct err *e)
{
	for (size_t i = 0; i < a->subnets.n; i++) {
		struct ipam_pool *p = &pools[*n];

		if (*n == NETDEF_POOLS || !subnet_parse(str_of(a->subnets.v[i]), false, &p->subnet))
			return err_set(e, ERR_USAGE, "invalid subnet %s: invalid CIDR block notation", a->subnets.v[i]);
		for (size_t k = 0; k < *n; k++) {
			if (subnet_overlap(&pools[k].subnet, &p->subnet))
				return err_set(e, ERR_USAGE, "multiple overlapping subnet configuration is not supported");
			if (pools[k].subnet.base.family == p->subnet.base.family)
				return err_set(e, ERR_USAGE, "bridge driver doesn't support multiple subnets of one family");
		}
		(*n)++;
	}
	return 0;
}

static struct ipam_pool *pool_with(struct ipam_pool *pools, size_t n, const struct addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (subnet_has(&pools[i].subnet, a))
			return &pools[i];
	return NULL;
}

/* Each range, gateway and reserved address belongs to the subnet that has it. */
static int take_rest(const struct network_args *a, struct ipam_pool *pools, size_t n, json_t **aux, struct err *e)
{
	for (size_t i = 0; i < a->ranges.n; i++) {
		struct subnet r;
		struct ipam_pool *p;

		if (!subnet_parse(str_of(a->ranges.v[i]), false, &r))
			return err_set(e, ERR_USAGE, "invalid ip-range %s", a->ranges.v[i]);
		p = pool_with(pools, n, &r.base);
		if (!p || p->range.base.family)
			return err_set(e, ERR_USAGE, p ? "cannot configure multiple ranges (%s) on the same subnet" :
				       "no matching subnet for range %s", a->ranges.v[i]);
		p->range = r;
	}
	for (size_t i = 0; i < a->gateways.n; i++) {
		struct addr g;
		struct ipam_pool *p;

		if (!addr_parse(str_of(a->gateways.v[i]), &g))
			return err_set(e, ERR_USAGE, "invalid gateway %s", a->gateways.v[i]);
		p = pool_with(pools, n, &g);
		if (!p || p->gateway.family)
			return err_set(e, ERR_USAGE, p ? "cannot configure multiple gateways (%s) for the same subnet" :
				       "no matching subnet for gateway %s", a->gateways.v[i]);
		p->gateway = g;
	}
	for (size_t i = 0; i < a->aux.n; i++) {
		struct str value = str_of(a->aux.v[i]), k = str_cut(&value, '=');
		auto_free char *key = str_dup(k);
		struct ipam_pool *p;
		struct addr x;

		if (!value.p || !addr_parse(value, &x) || !(p = pool_with(pools, n, &x)))
			return err_set(e, ERR_USAGE, "no matching subnet for aux-address %s", a->aux.v[i]);
		if (!aux[p - pools])
			aux[p - pools] = json_object();
		json_object_set_new(aux[p - pools], key, json_stringn(value.p, value.n));
	}
	return 0;
}

static int add_subnets(struct subnet **v, size_t *n, const struct netdefs *all)
{
	for (size_t i = 0; i < all->n; i++)
		for (size_t k = 0; k < all->v[i]->npools; k++) {
			*v = xrealloc(*v, (*n + 1) * sizeof(**v));
			(*v)[(*n)++] = all->v[i]->pools[k].subnet;
		}
	return 0;
}

static int overlaps(const struct ipam_pool *pools, size_t n, const struct netdefs *all, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < all->n; k++)
			for (size_t m = 0; m < all->v[k]->npools; m++)
				if (subnet_overlap(&pools[i].subnet, &all->v[k]->pools[m].subnet))
					return err_set(e, ERR_CONFLICT, "invalid pool request: Pool overlaps with "
						       "other one on this address space: network %s", all->v[k]->name);
	return 0;
}

/* From what neither routes of the host nor networks have; random, so that stores that know nothing of each other
 * seldom meet. */
static int choose_four(const struct netdefs *all, struct ipam_pool *p, struct err *e)
{
	auto_free struct subnet *used = NULL;
	struct nl s;
	uint32_t mtu, r = 0;
	size_t n = 0;
	int ret;

	if (nl_open(NETLINK_ROUTE, &s, e) < 0)
		return -1;
	ret = link_routes_all(&s, NULL, &used, &n, &mtu, e);
	nl_close(&s);
	if (ret < 0)
		return -1;
	add_subnets(&used, &n, all);
	(void)!getrandom(&r, sizeof(r), 0);
	if (!ipam_pick(used, n, r, &p->subnet))
		return err_set(e, ERR_CONFLICT, "could not find an available, non-overlapping IPv4 address pool among the defaults "
			       "to assign to the network");
	return 0;
}

static int complete(const struct network_args *a, const struct netdefs *all, struct ipam_pool *pools, size_t *n,
		    struct err *e)
{
	bool four = false, six = false;
	uint8_t seed[13];

	for (size_t i = 0; i < *n; i++)
		*(pools[i].subnet.base.family == AF_INET ? &four : &six) = true;
	if (six && !a->ipv6)
		return err_set(e, ERR_USAGE, "an IPv6 subnet needs --ipv6");
	if (!four && choose_four(all, &pools[(*n)++], e) < 0)
		return -1;
	if (a->ipv6 && !six) {
		(void)!getrandom(seed, sizeof(seed), 0);
		pools[(*n)++].subnet = ipam_local6(seed);
	}
	for (size_t i = 0; i < *n; i++)
		if (ipam_check(&pools[i], true, e) < 0)
			return -1;
	return overlaps(pools, *n, all, e);
}

static json_t *pools_json(const struct ipam_pool *pools, size_t n, json_t **aux)
{
	json_t *list = json_array();
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		json_t *o = json_pack("{s:s}", "Subnet", subnet_text(&pools[i].subnet, text));

		if (pools[i].range.base.family)
			json_object_set_new(o, "IPRange", json_string(subnet_text(&pools[i].range, text)));
		if (pools[i].gateway.family)
			json_object_set_new(o, "Gateway", json_string(addr_text(&pools[i].gateway, text)));
		if (aux[i])
			json_object_set(o, "AuxiliaryAddresses", aux[i]);
		json_array_append_new(list, o);
	}
	return list;
}

static int check_name(const struct network_args *a, const struct netdefs *all, struct err *e)
{
	const char *driver = a->driver ? a->driver : "bridge";

	if (!container_name_ok(a->name) && !(strlen(a->name) == 1 && a->name[0] >= 'a' && a->name[0] <= 'z'))
		return err_set(e, ERR_USAGE, "invalid network name \"%s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", a->name);
	for (size_t i = 0; i < all->n; i++) {
		if (strcmp(all->v[i]->name, a->name) != 0)
			continue;
		return all->v[i]->predefined ?
			err_set(e, ERR_DENIED, "operation is not permitted on predefined %s network", a->name) :
			err_set(e, ERR_CONFLICT, "network with name %s already exists", a->name);
	}
	if (strcmp(driver, "host") == 0 || strcmp(driver, "null") == 0)
		return err_set(e, ERR_DENIED, "only one instance of \"%s\" network is allowed", driver);
	if (strcmp(driver, "bridge") != 0) {
		err_set(e, ERR_NOT_FOUND, "could not find plugin %s in v1 plugin registry: plugin not found", driver);
		return err_hint(e, "the drivers are bridge, host and null");
	}
	return 0;
}

static int define(int dir, const struct network_args *a, const struct netdefs *all, char id[static NETWORK_ID_MAX],
		  json_t **aux, struct err *e)
{
	struct ipam_pool pools[NETDEF_POOLS + 2] = { 0 };
	auto_netdef struct netdef *d = NULL;
	char created[CLOCK_TEXT_MAX];
	size_t n = 0;
	json_t *o;

	if (check_name(a, all, e) < 0 || take_subnets(a, pools, &n, e) < 0 || take_rest(a, pools, n, aux, e) < 0 ||
	    complete(a, all, pools, &n, e) < 0)
		return -1;
	container_new_id(id);
	o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:b}", "Name", a->name, "Id", id, "Created",
		      clock_rfc3339(clock_now_ns(), created), "Scope", "local", "Driver", "bridge", "EnableIPv4", 1,
		      "EnableIPv6", a->ipv6, "Internal", a->internal, "Attachable", a->attachable);
	json_object_set_new(o, "IPAM", json_pack("{s:s, s:{}, s:o}", "Driver", "default", "Options", "Config",
						 pools_json(pools, n, aux)));
	json_object_set_new(o, "Options", pairs(&a->options));
	json_object_set_new(o, "Labels", pairs(&a->labels));
	netdef_defaults(o);
	return netdef_new(o, &d, e) < 0 ? -1 : netdef_add(dir, d, e);
}

static void log_network(struct store *s, const char *action, const char *id, const char *name, const char *container)
{
	json_t *attrs = json_pack("{s:s, s:s}", "name", name, "type", "bridge");

	if (container)
		json_object_set_new(attrs, "container", json_string(container));
	event_log_add(s, "network", action, id, attrs);
}

int engine_network_create(struct store *s, const struct network_args *a, char id[static NETWORK_ID_MAX], struct err *e)
{
	int dir = store_dir(s, STORE_NETWORKS, e), r;
	json_t *aux[NETDEF_POOLS + 2] = { 0 };
	auto_netdefs struct netdefs all = { 0 };
	auto_fd int lock = dir < 0 ? -1 : netdef_lock(dir, e);

	if (lock < 0 || netdef_list(dir, &all, e) < 0)
		return -1;
	r = define(dir, a, &all, id, aux, e);
	for (size_t i = 0; i < countof(aux); i++)
		json_decref(aux[i]);
	if (r == 0)
		log_network(s, "create", id, a->name, NULL);
	return r;
}

/* ---- who is on it ---- */

/* The endpoints that are alive, of this store's containers or all; a fd of none: empty. */
static int endpoints_of(const char *network, struct endpoints *ret, int *dir_ret, struct err *e)
{
	auto_free char *run_dir = NULL;
	auto_fd int top = -1, dir = -1;

	if (run_dir_of(&run_dir, e) < 0 || (top = endpoint_top(run_dir, false, e)) < 0)
		return -1;
	dir = endpoint_dir(top, network, false, e);
	if (dir < 0) {
		err_clear(e);
		return 0;
	}
	endpoint_list_read(dir, true, false, ret);
	if (dir_ret)
		*dir_ret = take_fd(&dir);
	return 0;
}

static void set_address(json_t *o, const char *key, const struct addr *a, uint8_t len)
{
	char text[ADDR_TEXT_MAX];
	struct subnet n = { *a, len };

	json_object_set_new(o, key, json_string(a->family ? subnet_text(&n, text) : ""));
}

static int add_containers(struct store *s, const struct netdef *d, struct err *e)
{
	auto_endpoints struct endpoints l = { 0 };
	json_t *o = json_object();
	auto_fd int dir = -1;
	struct ipam_pool pool;
	char mac[MAC_TEXT_MAX];
	int containers = store_dir(s, STORE_CONTAINERS, e);

	json_object_set_new(d->json, "Containers", o);
	if (containers < 0 || endpoints_of(d->id, &l, &dir, e) < 0)
		return -1;
	if (dir >= 0 && netdef_is_default(d) && bridge_default_pool(dir, &pool))
		json_object_set_new(json_object_get(d->json, "IPAM"), "Config", pools_json(&pool, 1, (json_t *[1]){ NULL }));
	for (size_t i = 0; i < l.n; i++) {
		const struct endpoint *p = &l.v[i];
		json_t *one;

		if (!p->alive || faccessat(containers, p->id, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		one = json_pack("{s:s, s:s, s:s}", "Name", p->name, "EndpointID", "", "MacAddress", mac_text(&p->mac, mac));
		set_address(one, "IPv4Address", &p->a4, p->len4);
		set_address(one, "IPv6Address", &p->a6, p->len6);
		json_object_set_new(o, p->id, one);
	}
	return 0;
}

int engine_network_inspect(struct store *s, const char *ref, json_t **ret, struct err *e)
{
	auto_netdef struct netdef *d = NULL;
	int dir = store_dir(s, STORE_NETWORKS, e);

	if (dir < 0 || netdef_find(dir, ref, &d, e) < 0 || add_containers(s, d, e) < 0)
		return -1;
	*ret = json_incref(d->json);
	return 0;
}

/* Does a record name it, running or not? */
static bool is_named(const struct container_list *l, const struct netdef *d)
{
	for (size_t i = 0; i < l->n; i++)
		if (json_object_get(json_object_get(json_object_get(l->v[i]->config, "NetworkSettings"), "Networks"), d->name))
			return true;
	return false;
}

/* ---- list ---- */

struct match { const struct netdef *d; const struct container_list *containers; };

static bool has_label(const struct netdef *d, struct str want)
{
	struct str value = want, k = str_cut(&value, '=');
	auto_free char *key = str_dup(k);
	const char *have = json_string_value(json_object_get(json_object_get(d->json, "Labels"), key));

	return have && (!value.p || str_is(value, have));
}

static bool contains(const char *text, struct str part)
{
	return memmem(text, strlen(text), part.p, part.n) != NULL;
}

static bool matches(void *arg, struct str key, struct str value)
{
	const struct match *m = arg;

	if (str_is(key, "driver"))
		return str_is(value, m->d->driver);
	if (str_is(key, "id"))
		return contains(m->d->id, value);
	if (str_is(key, "name"))
		return contains(m->d->name, value);
	if (str_is(key, "scope"))
		return str_is(value, "local");
	if (str_is(key, "type"))
		return str_is(value, m->d->predefined ? "builtin" : "custom");
	if (str_is(key, "label"))
		return has_label(m->d, value);
	if (str_is(key, "label!"))
		return !has_label(m->d, value);
	return (str_is(value, "true") || str_is(value, "1")) == (!m->d->predefined && !is_named(m->containers, m->d));
}

int engine_network_list(struct store *s, const struct strv *filters, json_t **ret, struct err *e)
{
	static const char *const keys[] = { "dangling", "driver", "id", "label", "name", "scope", "type", NULL };
	auto_containers struct container_list containers = { 0 };
	auto_netdefs struct netdefs all = { 0 };
	int dir = store_dir(s, STORE_NETWORKS, e);
	json_t *list;

	if (dir < 0 || filter_check(filters, keys, e) < 0 || filter_check_bool(filters, "dangling", e) < 0 ||
	    netdef_list(dir, &all, e) < 0 || (filters->n && container_list(s, &containers, e) < 0))
		return -1;
	engine_sweep();
	list = json_array();
	for (size_t i = 0; i < all.n; i++)
		if (filter_match(filters, matches, &(struct match){ all.v[i], &containers }))
			json_array_append(list, all.v[i]->json);
	*ret = list;
	return 0;
}

/* ---- remove ---- */

static int remove_one(struct store *s, int dir, const struct netdef *d, struct err *e)
{
	auto_endpoints struct endpoints l = { 0 };
	auto_free char *run_dir = NULL;

	if (d->predefined)
		return err_set(e, ERR_DENIED, "%s is a pre-defined network and cannot be removed", d->name);
	if (endpoints_of(d->id, &l, NULL, e) < 0 || run_dir_of(&run_dir, e) < 0)
		return -1;
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i].alive)
			return err_set(e, ERR_CONFLICT, "error while removing network: network %s has active endpoints "
				       "(name:\"%s\" id:\"%.12s\")", d->name, l.v[i].name, l.v[i].id);
	if (netdef_remove(dir, d->id, e) < 0)
		return -1;
	network_sweep_one(run_dir, d->id);
	log_network(s, "destroy", d->id, d->name, NULL);
	return 0;
}

int engine_network_rm(struct store *s, const char *ref, struct err *e)
{
	auto_netdef struct netdef *d = NULL;
	int dir = store_dir(s, STORE_NETWORKS, e);
	auto_fd int lock = dir < 0 ? -1 : netdef_lock(dir, e);

	if (lock < 0 || netdef_find(dir, ref, &d, e) < 0)
		return -1;
	return remove_one(s, dir, d, e);
}

int engine_network_prune(struct store *s, const struct strv *filters, struct strv *removed, struct err *e)
{
	static const char *const keys[] = { "label", "label!", NULL };
	auto_containers struct container_list containers = { 0 };
	auto_netdefs struct netdefs all = { 0 };
	int dir = store_dir(s, STORE_NETWORKS, e);
	auto_fd int lock = dir < 0 ? -1 : netdef_lock(dir, e);

	if (lock < 0 || filter_check(filters, keys, e) < 0 || netdef_list(dir, &all, e) < 0 ||
	    container_list(s, &containers, e) < 0)
		return -1;
	engine_sweep();
	for (size_t i = 0; i < all.n; i++) {
		auto_err struct err busy = { 0 };
		struct netdef *d = all.v[i];

		if (!d->predefined && !is_named(&containers, d) &&
		    filter_match(filters, matches, &(struct match){ d, &containers }) && remove_one(s, dir, d, &busy) == 0)
			strv_add(removed, d->name);
	}
	return 0;
}

/* ---- connect, disconnect ---- */

struct change { const struct netdef *net; json_t *wish; };	/* wish NULL: disconnect */

static int check_mode(const json_t *config, const struct netdef *net, bool connect, struct err *e)
{
	const char *mode = json_string_value(json_object_get(json_object_get(config, "HostConfig"), "NetworkMode"));

	if (strcmp(net->name, "host") == 0)
		return err_set(e, ERR_DENIED, connect ? "cannot connect container to host network - container must be created in "
			       "host network mode" : "cannot disconnect container from host network - container was created in "
			       "host network mode");
	if (mode && (strcmp(mode, "host") == 0 || str_starts(str_of(mode), "container:")))
		return err_set(e, ERR_DENIED, "container sharing network namespace with another container or host cannot be "
			       "connected to any other network");
	if (strcmp(net->name, "none") == 0 || (mode && strcmp(mode, "none") == 0))
		return err_set(e, ERR_DENIED, "container cannot be connected to multiple networks with one of the networks in "
			       "private (none) mode");
	return 0;
}

static int apply(json_t *config, void *arg, struct err *e)
{
	const struct change *c = arg;
	json_t *settings = json_object_get(config, "NetworkSettings"), *nets;
	const char *name = json_string_value(json_object_get(config, "Name"));

	if (check_mode(config, c->net, c->wish != NULL, e) < 0)
		return -1;
	if (!settings) {
		settings = json_pack("{s:{}}", "Networks");
		json_object_set_new(config, "NetworkSettings", settings);
	}
	nets = json_object_get(settings, "Networks");
	if (c->wish && json_object_get(nets, c->net->name))
		return err_set(e, ERR_CONFLICT, "endpoint with name %s already exists in network %s", name ? name + 1 : "",
			       c->net->name);
	if (c->wish)
		return json_object_set(nets, c->net->name, c->wish);
	if (json_object_del(nets, c->net->name) < 0)
		return err_set(e, ERR_CONFLICT, "container %s is not connected to network %s", name ? name + 1 : "", c->net->name);
	return 0;
}

static int put_back(json_t *config, void *arg, struct err *e UNUSED)
{
	return json_object_set(config, "NetworkSettings", arg);
}

/* Into the record, then to the monitor; if that cannot, the record is as before. */
static int change_networks(struct job *j, struct container *c, struct change *change, struct err *e)
{
	json_t *before = json_deep_copy(json_object_get(c->config, "NetworkSettings"));
	auto_err struct err ignored = { 0 };
	int r = container_config_change(c, apply, change, e);

	if (r == 0) {
		r = engine_reload(j, c, e);
		if (r < 0)
			(void)!container_config_change(c, put_back, before, &ignored);
	}
	json_decref(before);
	return r;
}

static int check_addresses(const struct network_connect *a, const struct netdef *d, struct err *e)
{
	struct addr x;

	if ((a->ip && (!addr_parse(str_of(a->ip), &x) || x.family != AF_INET)) ||
	    (a->ip6 && (!addr_parse(str_of(a->ip6), &x) || x.family != AF_INET6)))
		return err_set(e, ERR_USAGE, "invalid IP address: %s", a->ip ? a->ip : a->ip6);
	if (netdef_is_default(d) && a->aliases.n)
		return err_set(e, ERR_USAGE, "network-scoped alias is supported only for containers in user defined networks");
	if (netdef_is_default(d) && (a->ip || a->ip6))
		return err_set(e, ERR_USAGE, "user specified IP address is supported on user defined networks only");
	return 0;
}

int engine_network_connect(struct job *j, struct store *s, const char *ref, const char *container,
			   const struct network_connect *a, struct err *e)
{
	auto_container struct container *c = NULL;
	auto_netdef struct netdef *d = NULL;
	int dir = store_dir(s, STORE_NETWORKS, e), r;
	json_t *ipam = NULL, *wish;

	if (dir < 0 || netdef_find(dir, ref, &d, e) < 0 || container_open(s, container, &c, e) < 0 ||
	    check_addresses(a, d, e) < 0)
		return -1;
	if (a->ip || a->ip6)
		ipam = json_pack("{s:s*, s:s*}", "IPv4Address", a->ip, "IPv6Address", a->ip6);
	wish = json_pack("{s:o*, s:o*, s:s, s:o*, s:I}", "IPAMConfig", ipam, "Aliases",
			 a->aliases.n ? jsontext_list(&a->aliases, 0) : NULL, "MacAddress", "", "DriverOpts",
			 a->options.n ? pairs(&a->options) : NULL, "GwPriority", (json_int_t)a->priority);
	r = change_networks(j, c, &(struct change){ d, wish }, e);
	json_decref(wish);
	if (r == 0)
		log_network(s, "connect", d->id, d->name, c->id);
	return r;
}

int engine_network_disconnect(struct job *j, struct store *s, const char *ref, const char *container, struct err *e)
{
	auto_container struct container *c = NULL;
	auto_netdef struct netdef *d = NULL;
	int dir = store_dir(s, STORE_NETWORKS, e);

	if (dir < 0 || netdef_find(dir, ref, &d, e) < 0 || container_open(s, container, &c, e) < 0 ||
	    change_networks(j, c, &(struct change){ d, NULL }, e) < 0)
		return -1;
	log_network(s, "disconnect", d->id, d->name, c->id);
	return 0;
}

/* ---- what is shown of a container ---- */

json_t *engine_network_settings(const struct container *c)
{
	auto_err struct err ignored = { 0 };
	auto_free char *run_dir = NULL;

	if (run_dir_of(&run_dir, &ignored) < 0)
		run_dir = xstrdup("");
	return container_net_settings(run_dir, c->id, c->config, container_is_live(c));
}

void engine_ports_text(const json_t *settings, struct buf *ret)
{
	json_t *ports = json_object_get(settings, "Ports"), *list, *one;
	const char *key;
	size_t i;

	json_object_foreach(ports, key, list) {
		json_array_foreach(list, i, one) {
			const char *ip = json_string_value(json_object_get(one, "HostIp"));
			bool six = ip && strchr(ip, ':');

			buf_printf(ret, "%s%s%s%s:%s->%s", ret->n ? ", " : "", six ? "[" : "", ip ? ip : "", six ? "]" : "",
				   json_string_value(json_object_get(one, "HostPort")), key);
		}
		if (!json_array_size(list))
			buf_printf(ret, "%s%s", ret->n ? ", " : "", key);
	}
}
