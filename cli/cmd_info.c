/* SPDX-License-Identifier: Apache-2.0 */
/* tare info: version, store, and what this host allows. */
#include <jansson.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/task.h"
#include "cache/store.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/session.h"
#include "runtime/network/net.h"
#include "runtime/sandbox/probe.h"
#include "runtime/sandbox/userns.h"

struct args {
	bool json;
};

static const struct opt opts[] = {
	{ 0, "json", NULL, OPT_BOOL, offsetof(struct args, json), "print JSON, sizes in bytes" },
	{ 0 },
};

#define PROBES (PROBE_COUNT + 1)	/* and the networks' own */

struct info {
	char *store, *store_error;	/* the store's path, or why it cannot be opened */
	const char *store_hint, *filesystem;
	uint64_t size, free;		/* bytes of the store's filesystem */
	char *run_dir;			/* NULL: there is none */
	struct utsname host;
	uint64_t memory;		/* bytes of the machine */
	struct userns user;
	struct probe probes[PROBES];
};

static const char *filesystem_name(const char *path)
{
	static const struct {
		uint64_t magic;
		const char *name;
	} names[] = {
		/* linux/magic.h, statfs(2) */
		{ 0xef53, "ext4" },         { 0x58465342, "xfs" },     { 0x9123683e, "btrfs" },
		{ 0x01021994, "tmpfs" },    { 0x794c7630, "overlay" }, { 0x6969, "nfs" },
		{ 0x2fc12fc1, "zfs" },      { 0xf2f52010, "f2fs" },    { 0x65735546, "fuse" },
		{ 0xca451a4e, "bcachefs" }, { 0xff534d42, "cifs" },
	};
	struct statfs st;

	if (statfs(path, &st) < 0)
		return "unknown";
	for (size_t i = 0; i < countof(names); i++)
		if ((uint64_t)st.f_type == names[i].magic)
			return names[i].name;
	return "other";
}

/* Info must work above all where the store does not. */
static void collect_store(struct info *in, struct cli *c)
{
	auto_err struct err e = { 0 };
	struct statvfs st;
	struct session s;

	if (session_open_plain(&s, c, &e) < 0) {
		in->store_error = xstrdup(err_text(&e));
		in->store_hint = e.hint;
		return;
	}
	in->store = xstrdup(store_path(s.store));
	session_close(&s);
	in->filesystem = filesystem_name(in->store);
	if (statvfs(in->store, &st) == 0) {
		in->size = (uint64_t)st.f_blocks * st.f_frsize;
		in->free = (uint64_t)st.f_bavail * st.f_frsize;
	}
}

static void probe_bridge(struct probe *ret)
{
	auto_err struct err e = { 0 };

	*ret = (struct probe){ .name = "bridge network" };
	ret->ok = net_can_bridge(&e);
	ret->text = xstrdup(ret->ok ? "links with masquerading" : err_text(&e));
	ret->hint = e.hint;
}

static int collect(struct info *in, struct cli *c, struct err *e)
{
	auto_err struct err ignored = { 0 };
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

	if (userns_info(&in->user, e) < 0)
		return -1;
	if (uname(&in->host) < 0)
		return err_sys(e, "uname");
	if (pages > 0 && page > 0)
		in->memory = (uint64_t)pages * (uint64_t)page;
	if (userns_run_dir(&in->user, &in->run_dir, &ignored) < 0)
		in->run_dir = NULL;
	collect_store(in, c);
	for (enum probe_id i = 0; i < PROBE_COUNT; i++)
		probe_one(i, in->store ? in->store : "/tmp", &in->probes[i]);
	probe_bridge(&in->probes[PROBE_COUNT]);
	return 0;
}

static void info_done(struct info *in)
{
	free(in->store);
	free(in->store_error);
	free(in->run_dir);
	for (size_t i = 0; i < PROBES; i++)
		probe_done(&in->probes[i]);
}

/* ---- text ---- */

static void print_line(FILE *out, const char *name, const char *text, const char *hint)
{
	fprintf(out, "%-20s %s\n", name, text);
	if (hint)
		fprintf(out, "%-20s   hint: %s\n", "", hint);
}

static void print_text(const struct info *in, FILE *out)
{
	char free_text[FORMAT_SIZE_MAX], size[FORMAT_SIZE_MAX];
	auto_free char *store = NULL, *host = NULL;

	fprintf(out, "%-20s %s\n", "tare", VERSION);
	if (in->store)
		store = xasprintf("%s (%s, %s of %s free)", in->store, in->filesystem,
				  format_size(in->free, 3, free_text),
				  format_size(in->size, 3, size));
	print_line(out, "store", store ? store : in->store_error, in->store_hint);
	print_line(out, "run directory", in->run_dir ? in->run_dir : "none", NULL);
	host = xasprintf("Linux %s %s, %zu processors, %s memory", in->host.release,
			 in->host.machine, cpu_count(), format_size(in->memory, 3, size));
	print_line(out, "host", host, NULL);
	for (size_t i = 0; i < PROBES; i++) {
		const struct probe *p = &in->probes[i];
		auto_free char *text = xasprintf("%s%s", p->ok ? "" : "no: ", p->text);

		print_line(out, p->name, text, p->hint);
	}
}

/* ---- JSON ---- */

static json_t *text_or_null(const char *s)
{
	return s ? json_string(s) : json_null();
}

static json_t *store_json(const struct info *in)
{
	if (!in->store)
		return json_pack("{s:n, s:s}", "root", "error", in->store_error);
	return json_pack("{s:s, s:s, s:I, s:I}", "root", in->store, "filesystem", in->filesystem,
			 "size", (json_int_t)in->size, "free", (json_int_t)in->free);
}

static void print_json(const struct info *in, FILE *out)
{
	json_t *probes = json_array(), *root;

	for (size_t i = 0; i < PROBES; i++) {
		const struct probe *p = &in->probes[i];

		json_array_append_new(probes, json_pack("{s:s, s:b, s:s, s:o}", "name", p->name,
							"ok", p->ok, "text", p->text, "hint",
							text_or_null(p->hint)));
	}
	root = json_pack("{s:s, s:o, s:o, s:s, s:s, s:I, s:I, s:b, s:o}", "version", VERSION,
			 "store", store_json(in), "run_directory", text_or_null(in->run_dir),
			 "kernel", in->host.release, "architecture", in->host.machine, "processors",
			 (json_int_t)cpu_count(), "memory", (json_int_t)in->memory, "rootless",
			 in->user.inside, "probes", probes);
	json_dumpf(root, out, JSON_INDENT(2));
	fputc('\n', out);
	json_decref(root);
}

static int info_run(struct cli *c, void *arg, int argc UNUSED, char **argv UNUSED, struct err *e)
{
	const struct args *a = arg;
	struct info in = { 0 };
	int r = collect(&in, c, e);

	if (r == 0 && a->json)
		print_json(&in, c->out);
	else if (r == 0)
		print_text(&in, c->out);
	info_done(&in);
	return r;
}

const struct cmd cmd_info = {
	.name = "info",
	.synopsis = "[options]",
	.about = "Show the store and what this host allows.",
	.opts = opts,
	.args_size = sizeof(struct args),
	.run = info_run,
};
