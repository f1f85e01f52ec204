/* SPDX-License-Identifier: Apache-2.0 */
/* A container's record and its network. */
#include "runtime/container/net_record.h"

#include <stdio.h>

#include "base/hash.h"

static const json_t *host_config(const json_t *config)
{
	return json_object_get(config, "HostConfig");
}

void net_record_list(const json_t *config, const char *key, struct strv *ret)
{
	const json_t *list = json_object_get(host_config(config), key);
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (json_string_value(v))
			strv_add(ret, json_string_value(v));
}

const char *net_record_mode(const json_t *config)
{
	const char *mode = json_string_value(json_object_get(host_config(config), "NetworkMode"));

	return mode && *mode && strcmp(mode, "default") != 0 ? mode : "bridge";
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* ---- wishes ---- */

static void take_names(const json_t *config, const json_t *o, const char *id, struct strv *ret)
{
	const json_t *aliases = json_object_get(o, "Aliases");
	const char *host = text_of(json_object_get(config, "Config"), "Hostname");
	json_t *v;
	size_t i;

	json_array_foreach(aliases, i, v)
		if (json_string_value(v) && !strv_has(ret, json_string_value(v)))
			strv_add(ret, json_string_value(v));
	if (*host && strncmp(host, id, strlen(host)) != 0 && !strv_has(ret, host))
		strv_add(ret, host);
}

static int take_wish(int networks, const json_t *config, const char *id, const char *name, const json_t *o,
		     struct plug_wish *ret, struct err *e)
{
	const json_t *ipam = json_object_get(o, "IPAMConfig");
	const char *four = text_of(ipam, "IPv4Address"), *six = text_of(ipam, "IPv6Address"), *mac = text_of(o, "MacAddress");
	const char *ifname = text_of(json_object_get(o, "DriverOpts"), "com.docker.network.endpoint.ifname");
	struct plug_wish w = { .priority = json_integer_value(json_object_get(o, "GwPriority")),
				 .ifname = *ifname ? ifname : NULL };

	if ((*four && !addr_parse(str_of(four), &w.ip)) || (*six && !addr_parse(str_of(six), &w.ip6)))
		return err_set(e, ERR_USAGE, "invalid address for network %s: %s", name, *four ? four : six);
	if (*mac && !mac_parse(str_of(mac), &w.mac))
		return err_set(e, ERR_USAGE, "invalid MAC address %s", mac);
	if (netdef_find(networks, name, &w.net, e) < 0)
		return -1;
	take_names(config, o, id, &w.names);
	*ret = w;
	return 0;
}

int net_record_wishes(int networks, const json_t *config, const char *id, struct net_wishes *ret, struct err *e)
{
	json_t *nets = json_object_get(json_object_get(config, "NetworkSettings"), "Networks");
	struct net_wishes w = { 0 };
	const char *name;
	json_t *o;

	w.v = xcalloc(json_object_size(nets) + 1, sizeof(*w.v));
	json_object_foreach(nets, name, o) {
		if (take_wish(networks, config, id, name, o, &w.v[w.n], e) < 0) {
			net_wishes_done(&w);
			return -1;
		}
		w.n++;
	}
	*ret = w;
	return 0;
}

void net_wishes_done(struct net_wishes *w)
{
	for (size_t i = 0; i < w->n; i++)
		plug_wish_done(&w->v[i]);
	free(w->v);
	*w = (struct net_wishes){ 0 };
}

/* "80/tcp" */
static bool parse_key(const char *key, struct port_spec *ret)
{
	struct str rest = str_of(key), port = str_cut(&rest, '/');
	uint64_t v;

	if (!str_to_u64(port, 10, &v) || v == 0 || v > 65535 ||
	    !port_protocol_parse(rest.p ? rest : STR_LIT("tcp"), &ret->protocol))
		return false;
	ret->port = (uint16_t)v;
	return true;
}

static int take_binding(const char *key, const json_t *o, struct port_specs *ret, struct err *e)
{
	const char *ip = text_of(o, "HostIp"), *port = text_of(o, "HostPort");
	struct str rest = str_of(port), low = str_cut(&rest, '-');
	struct port_spec p = { 0 };
	uint64_t a = 0, b;

	if (!parse_key(key, &p) || (*ip && !addr_parse(str_of(ip), &p.host)) || (low.n && !str_to_u64(low, 10, &a)) || a > 65535)
		return err_set(e, ERR_USAGE, "invalid port specification: %s:%s:%s", ip, port, key);
	b = a;
	if (rest.p && (!str_to_u64(rest, 10, &b) || b > 65535 || b < a))
		return err_set(e, ERR_USAGE, "invalid port specification: %s:%s:%s", ip, port, key);
	p.first = (uint16_t)a;
	p.last = (uint16_t)b;
	if (p.host.family && addr_is_any(&p.host) && p.host.family == AF_INET6)
		p.host = (struct addr){ .family = AF_INET6 };
	port_specs_add(ret, p);
	return 0;
}

int net_record_ports(const json_t *config, struct port_specs *ret, struct err *e)
{
	json_t *bindings = json_object_get(host_config(config), "PortBindings");
	json_t *exposed = json_object_get(json_object_get(config, "Config"), "ExposedPorts");
	const char *key;
	json_t *list, *o;
	size_t i;

	json_object_foreach(bindings, key, list)
		json_array_foreach(list, i, o)
			if (take_binding(key, o, ret, e) < 0)
				return -1;
	if (!json_is_true(json_object_get(host_config(config), "PublishAllPorts")))
		return 0;
	json_object_foreach(exposed, key, o) {
		struct port_spec p = { 0 };

		if (!json_array_size(json_object_get(bindings, key)) && parse_key(key, &p))
			port_specs_add(ret, p);
	}
	return 0;
}

/* ---- as assigned ---- */

static void set(json_t *o, const char *key, const char *text)
{
	json_object_set_new(o, key, json_string(text));
}

static void endpoint_id(const char *id, const char *network, char ret[static 65])
{
	auto_free char *seed = xasprintf("endpoint %s %s", id, network);
	auto_buf struct buf hex = { 0 };
	uint8_t raw[32];

	hash_sha256(seed, strlen(seed), raw);
	buf_hex(&hex, raw, sizeof(raw));
	snprintf(ret, 65, "%s", hex.p);
}

static void put_addresses(json_t *o, const char *id, const struct plug_end *x)
{
	char text[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX], eid[65] = "";

	if (x)
		endpoint_id(id, x->net->id, eid);
	set(o, "EndpointID", eid);
	set(o, "Gateway", x && !x->net->internal ? addr_text(&x->bridge.four.gateway, text) : "");
	set(o, "IPAddress", x ? addr_text(&x->ep.a4, text) : "");
	json_object_set_new(o, "IPPrefixLen", json_integer(x ? x->ep.len4 : 0));
	set(o, "IPv6Gateway", x && !x->net->internal ? addr_text(&x->bridge.six.gateway, text) : "");
	set(o, "GlobalIPv6Address", x ? addr_text(&x->ep.a6, text) : "");
	json_object_set_new(o, "GlobalIPv6PrefixLen", json_integer(x ? x->ep.len6 : 0));
	set(o, "MacAddress", x ? mac_text(&x->ep.mac, mac) : "");
}

static const struct plug_end *end_of(const struct plug *a, const char *name)
{
	for (size_t i = 0; a && i < plug_count(a); i++)
		if (strcmp(plug_get(a, i)->net->name, name) == 0 || strcmp(plug_get(a, i)->net->id, name) == 0)
			return plug_get(a, i);
	return NULL;
}

static json_t *dns_names(const struct plug_end *x, const char *id)
{
	json_t *l = json_array();

	if (*x->ep.name)
		json_array_append_new(l, json_string(x->ep.name));
	for (size_t i = 0; i < x->ep.names.n; i++)
		json_array_append_new(l, json_string(x->ep.names.v[i]));
	json_array_append_new(l, json_stringn(id, 12));
	return l;
}

static json_t *network_json(const json_t *wish, const char *id, const struct plug_end *x)
{
	static const char *const wished[] = { "IPAMConfig", "Links", "Aliases", "DriverOpts" };
	json_t *o = json_object();

	for (size_t i = 0; i < countof(wished); i++) {
		json_t *v = json_object_get(wish, wished[i]);

		json_object_set_new(o, wished[i], v ? json_deep_copy(v) : json_null());
	}
	json_object_set_new(o, "GwPriority", json_integer(json_integer_value(json_object_get(wish, "GwPriority"))));
	set(o, "NetworkID", x ? x->net->id : "");
	put_addresses(o, id, x);
	if (!x)
		set(o, "MacAddress", text_of(wish, "MacAddress"));
	json_object_set_new(o, "DNSNames", x && !netdef_is_default(x->net) ? dns_names(x, id) : json_null());
	return o;
}

static void put_port(json_t *ports, const struct port *p)
{
	char key[32], host[ADDR_TEXT_MAX], number[8] = "";
	json_t *list;

	snprintf(key, sizeof(key), "%u/%s", p->port, port_protocol_name(p->protocol));
	list = json_object_get(ports, key);
	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(ports, key, list);
	}
	if (p->host_port)
		snprintf(number, sizeof(number), "%u", p->host_port);
	json_array_append_new(list, json_pack("{s:s, s:s}", "HostIp", addr_text(&p->host, host), "HostPort", number));
}

/* Ports that are not published are there with null. */
static json_t *ports_json(const json_t *config, const struct plug *a)
{
	json_t *exposed = json_object_get(json_object_get(config, "Config"), "ExposedPorts"), *o = json_object(), *v;
	const char *key;

	if (!a)
		return o;
	json_object_foreach(exposed, key, v)
		json_object_set_new(o, key, json_null());
	for (size_t i = 0; i < plug_ports(a)->n; i++)
		put_port(o, &plug_ports(a)->v[i]);
	return o;
}

json_t *net_record_settings(const json_t *config, const char *id, const struct plug *a)
{
	json_t *wished = json_object_get(json_object_get(config, "NetworkSettings"), "Networks");
	json_t *o = json_object(), *nets = json_object(), *v;
	const char *name;

	set(o, "Bridge", "");
	set(o, "SandboxID", a ? id : "");
	set(o, "SandboxKey", "");
	json_object_set_new(o, "Ports", ports_json(config, a));
	json_object_set_new(o, "HairpinMode", json_false());
	set(o, "LinkLocalIPv6Address", "");
	json_object_set_new(o, "LinkLocalIPv6PrefixLen", json_integer(0));
	json_object_set_new(o, "SecondaryIPAddresses", json_null());
	json_object_set_new(o, "SecondaryIPv6Addresses", json_null());
	put_addresses(o, id, end_of(a, "bridge"));
	json_object_foreach(wished, name, v)
		json_object_set_new(nets, name, network_json(v, id, end_of(a, name)));
	json_object_set_new(o, "Networks", nets);
	return o;
}
