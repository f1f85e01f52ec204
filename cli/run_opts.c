/* SPDX-License-Identifier: Apache-2.0 */
/* The options of run and create. */
#include "cli/run_opts.h"


#define AT(field) offsetof(struct run_opts, r.field)

const struct opt run_opts[] = {
	/* RUN_ONLY of them */
	{ 'd', "detach", NULL, OPT_BOOL, AT(detach), "leave it running and print its ID" },
	{ 0, "detach-keys", "KEYS", OPT_STR, AT(detach_keys), "keys that detach from it (default ctrl-p,ctrl-q); \"\": none" },
	{ 0, "sig-proxy", NULL, OPT_BOOL, AT(sig_proxy), "pass our signals on to it (default true)" },
	/* create has these, too */
	{ 0, "add-host", "HOST:IP", OPT_LIST, AT(add_hosts), "add a line to /etc/hosts" },
	{ 'a', "attach", "STREAM", OPT_LIST, AT(attach), "attach to stdin, stdout or stderr only" },
	{ 0, "cap-add", "CAP", OPT_LIST, AT(cap_add), "add a capability, or ALL" },
	{ 0, "cap-drop", "CAP", OPT_LIST, AT(cap_drop), "drop a capability, or ALL" },
	{ 0, "cidfile", "FILE", OPT_STR, AT(cidfile), "write the container's ID to FILE, which must not exist" },
	{ 0, "cgroupns", "MODE", OPT_STR, AT(limits.cgroupns), "private (default) or host" },
	{ 0, "cpu-period", "USECS", OPT_NUM, AT(limits.cpu_period), "period of --cpu-quota (default 100000)" },
	{ 0, "cpu-quota", "USECS", OPT_NUM, AT(limits.cpu_quota), "processor time in each period" },
	{ 'c', "cpu-shares", "N", OPT_NUM, AT(limits.cpu_shares), "weight against others when processors are busy (default 1024)" },
	{ 0, "cpus", "N", OPT_STR, AT(cpus), "limit processor time: 1.5 is one and a half processors" },
	{ 0, "cpuset-cpus", "LIST", OPT_STR, AT(cpuset), "run only on these processors: 0-2,4" },
	{ 0, "cpuset-mems", "LIST", OPT_STR, AT(limits.cpuset_mems), "use only the memory of these nodes" },
	{ 0, "device", "DEVICE", OPT_LIST, AT(devices), "add SRC[:DST][:rwm] of the host, or VENDOR/CLASS=NAME (tare cdi list)" },
	{ 0, "dns", "ADDRESS", OPT_LIST, AT(dns), "use this name server" },
	{ 0, "dns-opt", "OPTION", OPT_LIST, AT(dns_options), "the same as --dns-option" },
	{ 0, "dns-option", "OPTION", OPT_LIST, AT(dns_options), "set an option of resolv.conf" },
	{ 0, "dns-search", "DOMAIN", OPT_LIST, AT(dns_search), "search this domain; \".\" searches none" },
	{ 0, "domainname", "NAME", OPT_STR, AT(domainname), "set the NIS domain name" },
	{ 0, "entrypoint", "PROGRAM", OPT_STR, AT(entrypoint), "run this instead of the image's ENTRYPOINT; \"\" drops it" },
	{ 'e', "env", "K[=V]", OPT_LIST, AT(env), "set a variable; without =V from the environment" },
	{ 0, "env-file", "FILE", OPT_LIST, AT(env_files), "read variables from a file" },
	{ 0, "expose", "PORT", OPT_LIST, AT(expose), "tell that it listens on a port or a range" },
	{ 0, "gpus", "WHICH", OPT_LIST, AT(gpus), "add GPUs: all, a number, or device=0, as CSV" },
	{ 0, "group-add", "GROUP", OPT_LIST, AT(groups), "add a supplementary group" },
	{ 0, "health-cmd", "COMMAND", OPT_STR, AT(health.cmd), "check its health by this shell command" },
	{ 0, "health-exact", NULL, OPT_BOOL, AT(health.exact), "check at the interval only, not more often until it is healthy" },
	{ 0, "health-interval", "TIME", OPT_STR, AT(health.interval), "time between checks (default 30s)" },
	{ 0, "health-on-failure", "ACTION", OPT_STR, AT(health.on_failure), "none, kill, stop or restart it once unhealthy" },
	{ 0, "health-retries", "N", OPT_STR, AT(health.retries), "so many failures in a row are unhealthy (default 3)" },
	{ 0, "health-start-interval", "TIME", OPT_STR, AT(health.start_interval), "time between checks in the start period" },
	{ 0, "health-start-period", "TIME", OPT_STR, AT(health.start_period), "failures do not count for so long" },
	{ 0, "health-timeout", "TIME", OPT_STR, AT(health.timeout), "a check that takes longer has failed (default 30s)" },
	{ 'h', "hostname", "NAME", OPT_STR, AT(hostname), "set the host name (default: the ID's first 12 digits)" },
	{ 0, "init", NULL, OPT_BOOL, AT(init), "a small init is process 1: it reaps and passes signals on" },
	{ 'i', "interactive", NULL, OPT_BOOL, AT(interactive), "connect standard input" },
	{ 0, "ip", "ADDRESS", OPT_STR, AT(ip), "its IPv4 address" },
	{ 0, "ip6", "ADDRESS", OPT_STR, AT(ip6), "its IPv6 address" },
	{ 0, "ipc", "MODE", OPT_STR, AT(limits.ipc),
	  "private (default), shareable, container:NAME (a shareable one's), none (no /dev/shm) or host" },
	{ 'l', "label", "K=V", OPT_LIST, AT(labels), "attach a label" },
	{ 0, "log-driver", "DRIVER", OPT_STR, AT(log_driver), "json-file (default) or none" },
	{ 0, "log-opt", "K=V", OPT_LIST, AT(log_opts), "max-size=10m, max-file=3" },
	{ 0, "mac-address", "MAC", OPT_STR, AT(mac), "its hardware address" },
	{ 'm', "memory", "SIZE", OPT_BYTES, AT(memory), "limit memory: 512m" },
	{ 0, "memory-reservation", "SIZE", OPT_BYTES, AT(limits.reservation), "memory that it keeps when others need more" },
	{ 0, "memory-swap", "SIZE", OPT_STR, AT(memory_swap), "limit memory and swap together; -1: no limit of swap" },
	{ 0, "memory-swappiness", "N", OPT_NUM, AT(limits.swappiness), "how readily it is swapped out, 0 to 100" },
	{ 0, "mount", "KEY=VALUE,...", OPT_LIST, AT(mounts), "mount: type=bind, volume or tmpfs, source=, target=, readonly..." },
	{ 0, "name", "NAME", OPT_STR, AT(name), "name the container" },
	{ 0, "net", "NETWORK", OPT_LIST, AT(networks), "the same as --network" },
	{ 0, "net-alias", "NAME", OPT_LIST, AT(aliases), "the same as --network-alias" },
	{ 0, "network", "NETWORK", OPT_LIST, AT(networks),
	  "a network's name, none, host, container:NAME, or name=NAME,alias=,ip=,ip6=,mac-address=,gw-priority=" },
	{ 0, "network-alias", "NAME", OPT_LIST, AT(aliases), "another name for it on the network" },
	{ 'p', "publish", "[[IP:]HOST:]PORT", OPT_LIST, AT(ports), "publish a port or a range, PORT/udp: 8080:80" },
	{ 'P', "publish-all", NULL, OPT_BOOL, AT(publish_all), "publish all exposed ports to free ones of the host" },
	{ 0, "no-healthcheck", NULL, OPT_BOOL, AT(health.none), "do not check its health, whatever the image says" },
	{ 0, "oom-score-adj", "N", OPT_NUM, AT(limits.oom_score), "who is killed first without memory, -1000 to 1000" },
	{ 0, "pid", "MODE", OPT_STR, AT(limits.pid), "private (default), container:NAME or host: whose processes it sees" },
	{ 0, "pids-limit", "N", OPT_NUM, AT(pids), "limit the number of processes" },
	{ 0, "platform", "OS/ARCH", OPT_STR, AT(platform), "if it is fetched, take the image made for OS/ARCH[/VARIANT]" },
	{ 0, "privileged", NULL, OPT_BOOL, AT(privileged), "all capabilities and devices, nothing masked: no isolation from root" },
	{ 0, "pull", "POLICY", OPT_STR, AT(pull), "fetch the image if it is missing (default), always or never" },
	{ 0, "read-only", NULL, OPT_BOOL, AT(read_only), "mount the root file system read-only" },
	{ 0, "restart", "POLICY", OPT_STR, AT(restart), "no, always, unless-stopped or on-failure[:N]" },
	{ 0, "rm", NULL, OPT_BOOL, AT(rm), "remove the container and its anonymous volumes at the end" },
	{ 0, "security-opt", "OPTION", OPT_LIST, AT(security), "no-new-privileges, seccomp=FILE or unconfined, ..." },
	{ 0, "shm-size", "SIZE", OPT_BYTES, AT(shm_size), "size of /dev/shm (default 64m)" },
	{ 0, "stop-signal", "SIGNAL", OPT_STR, AT(stop_signal), "what stop sends (default: the image's, or TERM)" },
	{ 0, "stop-timeout", "SECONDS", OPT_STR, AT(stop_timeout), "how long stop waits before it kills; -1: for ever" },
	{ 0, "sysctl", "K=V", OPT_LIST, AT(limits.sysctls), "set a kernel parameter of its namespaces" },
	{ 0, "tmpfs", "DST[:OPTIONS]", OPT_LIST, AT(tmpfs), "mount a memory file system" },
	{ 't', "tty", NULL, OPT_BOOL, AT(tty), "give it a terminal" },
	{ 0, "ulimit", "NAME=SOFT[:HARD]", OPT_LIST, AT(ulimits), "set a resource limit" },
	{ 'u', "user", "USER[:GROUP]", OPT_STR, AT(user), "run as this user" },
	{ 0, "userns", "MODE", OPT_STR, AT(limits.userns), "host: the only one there is" },
	{ 0, "uts", "MODE", OPT_STR, AT(limits.uts), "host: it has the host's name" },
	{ 'v', "volume", "[SRC:]DST[:ro]", OPT_LIST, AT(volumes), "mount a host directory or a volume" },
	{ 0, "volumes-from", "CONTAINER[:ro]", OPT_LIST, AT(volumes_from), "mount what that container has mounted" },
	{ 'w', "workdir", "DIR", OPT_STR, AT(workdir), "start in this directory; made if missing" },
	{ 'q', "quiet", NULL, OPT_BOOL, offsetof(struct run_opts, quiet), "no warnings" },
	REGISTRY_OPTS(offsetof(struct run_opts, registry)),
	{ 0 },
};

_Static_assert(RUN_ONLY == 3, "count them");

void run_opts_defaults(void *p)
{
	struct run_opts *a = p;

	a->r.sig_proxy = true;
	a->r.limits.swappiness = -1;
	a->registry.tls_verify = true;
}

void run_opts_ready(struct run_opts *a)
{
	a->client = registry_options(&a->registry);
	a->r.registry = &a->client;
}

static void notes_send(struct sink *s, const struct event *ev)
{
	struct notes *n = container_of(s, struct notes, sink);

	if (n->out && (ev->kind == EV_WARN || ev->kind == EV_NOTE))
		fprintf(n->out, "tare: %s" STR_FMT "\n", ev->kind == EV_WARN ? "warning: " : "", STR_ARG(ev->text));
}

struct notes notes_to(FILE *out)
{
	return (struct notes){ { notes_send }, out };
}

void print_failure(FILE *out, const struct err *e)
{
	fprintf(out, "tare: %s\n", err_text(e));
	if (e->hint)
		fprintf(out, "  hint: %s\n", e->hint);
}
