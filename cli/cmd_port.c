/* SPDX-License-Identifier: Apache-2.0 */
/* tare port: where a container's ports are on the host. */
#include "cli/cmd.h"
#include "cli/session.h"
#include "engine/network.h"
#include "runtime/container/container.h"

static void print_one(FILE *out, const char *key, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *ip = json_string_value(json_object_get(one, "HostIp"));
		bool six = ip && strchr(ip, ':');

		if (key)
			fprintf(out, "%s -> ", key);
		fprintf(out, "%s%s%s:%s\n", six ? "[" : "", ip, six ? "]" : "",
			json_string_value(json_object_get(one, "HostPort")));
	}
}

/* "80" or "80/udp" */
static int print_port(FILE *out, const struct container *c, const json_t *ports, const char *port, struct err *e)
{
	auto_free char *key = strchr(port, '/') ? xstrdup(port) : xasprintf("%s/tcp", port);
	json_t *list = json_object_get(ports, key);

	if (!json_array_size(list))
		return err_set(e, ERR_NOT_FOUND, "No public port '%s' published for %s", key, c->name);
	print_one(out, NULL, list);
	return 0;
}

static int port_run(struct cli *c, void *p UNUSED, int argc, char **argv, struct err *e)
{
	auto_container struct container *one = NULL;
	json_t *settings, *ports, *list;
	struct session ss;
	const char *key;
	int r;

	if (session_open_plain(&ss, c, e) < 0)
		return -1;
	r = container_open(ss.store, argv[0], &one, e);
	if (r == 0) {
		settings = engine_network_settings(one);
		ports = json_object_get(settings, "Ports");
		if (argc > 1)
			r = print_port(c->out, one, ports, argv[1], e);
		else
			json_object_foreach(ports, key, list)
				print_one(c->out, key, list);
		json_decref(settings);
	}
	session_close(&ss);
	return r;
}

const struct cmd cmd_port = {
	.name = "port", .synopsis = "CONTAINER [PORT[/PROTOCOL]]", .about = "Show where a container's ports are on the host.",
	.min = 1, .max = 2, .run = port_run,
};
