/* SPDX-License-Identifier: Apache-2.0 */
/* Resource limits by cgroups: version 2, or version 1 where the host's controllers are there. */
#include "runtime/sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "runtime/sandbox/cgroup_find.h"

#define PREFIX "tare-"
#define PERIOD_US 100000		/* of the processor quota */
#define REMOVE_TRIES 100		/* of 5 ms: how long the dying may take */
#define KILL_ROUNDS 50 /* v1: a process may fork between reading the list and the signal */
#define NO_DELEGATION \
	"limits, and shared pid namespaces, need a delegated cgroup: try systemd-run --user --scope -p Delegate=yes tare ..."

struct place {
	char *dir;
	int fd;				/* of dir, flock'ed; -1 */
	int procs;			/* cgroup.procs for writing; -1 */
};

struct cgroup {
	struct place place[CGROUP_DIRS];
	size_t n;
	size_t of[CGROUP_CONTROLLERS];	/* place of each controller; n or above: not used */
	bool v2[CGROUP_CONTROLLERS];
	unsigned mask;			/* controllers that it has */
};

/* ---- files of a cgroup ---- */

static int value_put(const struct cgroup *g, enum cgroup_controller c, const char *file,
		     const char *value, struct err *e)
{
	const struct place *p = &g->place[g->of[c]];
	auto_fd int fd = openat(p->fd, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return err_sys(e, "write \"%s\" to %s/%s", value, p->dir, file);
	return 0;
}

static bool value_there(const struct cgroup *g, enum cgroup_controller c, const char *file)
{
	return faccessat(g->place[g->of[c]].fd, file, F_OK, 0) == 0;
}

static int number_put(const struct cgroup *g, enum cgroup_controller c, const char *file, int64_t v,
		      const char *unlimited, struct err *e)
{
	auto_free char *text = v < 0 ? xstrdup(unlimited) : xasprintf("%lld", (long long)v);

	return value_put(g, c, file, text, e);
}

/* The number behind a word in a file of lines "word number"; 0 if there is none. */
static uint64_t number_get(int dir, const char *file, const char *word)
{
	auto_buf struct buf text = { 0 };
	auto_err struct err e = { 0 };
	struct str rest, line;
	uint64_t v;

	if (fs_read(dir, file, 65536, &text, &e) < 0)
		return 0;
	for (rest = buf_view(&text); rest.p;) {
		line = str_cut(&rest, '\n');
		if (str_is(str_cut(&line, ' '), word) && str_to_u64(line, 10, &v))
			return v;
	}
	return 0;
}

/* ---- limits ---- */

#define CPUS_MAX 4096

/* "0-2,4" as bits; false if it is not such a list. */
static bool cpus_parse(struct str s, uint64_t bits[static CPUS_MAX / 64])
{
	uint64_t from, to;

	memset(bits, 0, CPUS_MAX / 8);
	while (s.p) {
		struct str hi = str_cut(&s, ','), lo = str_cut(&hi, '-');

		if (!str_to_u64(lo, 10, &from) || from >= CPUS_MAX)
			return false;
		to = from;
		if (hi.p && (!str_to_u64(hi, 10, &to) || to >= CPUS_MAX || to < from))
			return false;
		for (uint64_t i = from; i <= to; i++)
			bits[i / 64] |= UINT64_C(1) << (i % 64);
	}
	return true;
}

static int cpuset_check(const char *list, struct err *e)
{
	uint64_t want[CPUS_MAX / 64], have[CPUS_MAX / 64];
	auto_buf struct buf online = { 0 };

	if (!cpus_parse(str_of(list), want))
		return err_set(e, ERR_USAGE,
			       "invalid value \"%s\" for cpuset cpus: not a list like 0-2,4", list);
	if (fs_read(AT_FDCWD, "/sys/devices/system/cpu/online", 65536, &online, e) < 0)
		return -1;
	if (!cpus_parse(str_trim(buf_view(&online)), have))
		return 0;
	for (size_t i = 0; i < countof(want); i++)
		if (want[i] & ~have[i])
			return err_set(
				e, ERR_USAGE,
				"Requested CPUs are not available - requested %s, available: " STR_FMT,
				list, STR_ARG(str_trim(buf_view(&online))));
	return 0;
}

static int cpu_check(const struct cgroup_limits *l, struct err *e)
{
	if (l->nano_cpus && l->cpu_period)
		return err_set(e, ERR_USAGE, "Conflicting options: Nano CPUs and CPU Period cannot both be set");
	if (l->nano_cpus && l->cpu_quota)
		return err_set(e, ERR_USAGE, "Conflicting options: Nano CPUs and CPU Quota cannot both be set");
	if (l->cpu_period && (l->cpu_period < 1000 || l->cpu_period > 1000000))
		return err_set(e, ERR_USAGE, "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s "
			       "(i.e. 1000000)");
	if (l->cpu_quota > 0 && l->cpu_quota < 1000)
		return err_set(e, ERR_USAGE, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
	if (l->cpu_shares < 0)
		return err_set(e, ERR_USAGE, "the weight of processor time (shares) is negative");
	return 0;
}

static int reservation_check(const struct cgroup_limits *l, struct err *e)
{
	if (l->reservation && l->reservation < CGROUP_MEMORY_MIN)
		return err_set(e, ERR_USAGE, "Minimum memory reservation allowed is 6MB");
	if (l->reservation && l->memory && l->reservation > l->memory)
		return err_set(e, ERR_USAGE, "Minimum memory limit can not be less than memory reservation limit, see usage");
	return 0;
}

int cgroup_check(const struct cgroup_limits *l, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (cpu_check(l, e) < 0 || reservation_check(l, e) < 0)
		return -1;

	if (l->memory && l->memory < CGROUP_MEMORY_MIN)
		return err_set(e, ERR_USAGE, "Minimum memory limit allowed is 6MB");
	if (l->memory > INT64_MAX)
		return err_set(e, ERR_USAGE, "the memory limit is too large");
	if (l->memory_swap && !l->memory)
		return err_set(e, ERR_USAGE, "a limit of memory and swap needs a memory limit, too: "
			       "set --memory");
	if (l->memory_swap > 0 && (uint64_t)l->memory_swap < l->memory)
		return err_set(e, ERR_USAGE,
			       "the limit of memory and swap is below the memory limit: "
			       "it counts both together");
	if (l->memory_swap < -1)
		return err_set(e, ERR_USAGE,
			       "the limit of memory and swap is negative: only -1 means unlimited");
	if (l->nano_cpus < 0 || (l->nano_cpus && l->nano_cpus < 10000000) ||
	    (cpus > 0 && l->nano_cpus > cpus * INT64_C(1000000000)))
		return err_set(
			e, ERR_USAGE,
			"Range of CPUs is from 0.01 to %ld.00, as there are only %ld CPUs available",
			cpus, cpus);
	return l->cpuset && *l->cpuset ? cpuset_check(l->cpuset, e) : 0;
}

static int memory_limit(const struct cgroup *g, const struct cgroup_limits *l, struct err *e)
{
	bool v2 = g->v2[CGROUP_MEMORY];
	const char *swap_file = v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";
	int64_t memory = (int64_t)l->memory, swap = l->memory_swap;

	if (swap == 0 && memory > INT64_MAX / 2)
		swap = -1;
	else if (swap == 0)
		swap = 2 * memory;
	/* v1: neither may pass the other on its way; which goes first depends on the direction */
	if (number_put(g, CGROUP_MEMORY, v2 ? "memory.max" : "memory.limit_in_bytes", memory, "",
		       e) < 0) {
		if (v2 || number_put(g, CGROUP_MEMORY, swap_file, swap, "-1", e) < 0)
			return -1;
		err_clear(e);
		return number_put(g, CGROUP_MEMORY, "memory.limit_in_bytes", memory, "", e);
	}
	if (!value_there(g, CGROUP_MEMORY, swap_file)) { /* a kernel that does not count swap */
		if (l->memory_swap <= 0)
			return 0;
		return err_set(e, ERR_NOT_FOUND,
			       "this kernel does not count swap: boot it with swapaccount=1");
	}
	if (v2 && swap > 0)
		swap -= memory;			/* v2 counts swap alone */
	return number_put(g, CGROUP_MEMORY, swap_file, swap, v2 ? "max" : "-1", e);
}

/* Version 2's weight of 1 to 10000 for version 1's 2 to 262144, so that 1024 becomes 100 (as crun has it). */
static int64_t cpu_weight(int64_t shares)
{
	double l;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	l = log2((double)shares);
	return (int64_t)ceil(pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0));
}

static int cpu_limit(const struct cgroup *g, const struct cgroup_limits *l, struct err *e)
{
	int64_t period = l->cpu_period ? l->cpu_period : PERIOD_US;
	int64_t quota = l->nano_cpus ? l->nano_cpus / (1000000000 / PERIOD_US) : l->cpu_quota ? l->cpu_quota : -1;
	auto_free char *number = quota > 0 ? xasprintf("%lld", (long long)quota) : xstrdup("max");
	auto_free char *both = xasprintf("%s %lld", number, (long long)period);
	bool v2 = g->v2[CGROUP_CPU];

	if (l->cpu_shares && number_put(g, CGROUP_CPU, v2 ? "cpu.weight" : "cpu.shares",
					v2 ? cpu_weight(l->cpu_shares) : MAX(l->cpu_shares, (int64_t)2), "", e) < 0)
		return -1;
	if (!l->nano_cpus && !l->cpu_quota && !l->cpu_period)
		return 0;
	if (v2)
		return value_put(g, CGROUP_CPU, "cpu.max", both, e);
	if (number_put(g, CGROUP_CPU, "cpu.cfs_period_us", period, "", e) < 0)
		return -1;
	return number_put(g, CGROUP_CPU, "cpu.cfs_quota_us", quota, "-1", e);
}

static int reserve(const struct cgroup *g, const struct cgroup_limits *l, struct err *e)
{
	bool v2 = g->v2[CGROUP_MEMORY];

	if (l->reservation && number_put(g, CGROUP_MEMORY, v2 ? "memory.low" : "memory.soft_limit_in_bytes",
					 (int64_t)MIN(l->reservation, (uint64_t)INT64_MAX), "", e) < 0)
		return -1;
	if (l->has_swappiness && v2)
		return err_set(e, ERR_NOT_FOUND, "version 2 of cgroups knows no swappiness");
	return l->has_swappiness ? number_put(g, CGROUP_MEMORY, "memory.swappiness", l->swappiness, "", e) : 0;
}

/* v1: a new cpuset is empty, and nothing may join it before both files are set. */
static int cpuset_inherit(const struct cgroup *g, struct err *e)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < countof(files); i++) {
		auto_free char *parent =
			xasprintf("%s/../%s", g->place[g->of[CGROUP_CPUSET]].dir, files[i]);
		auto_buf struct buf text = { 0 };

		if (fs_read(AT_FDCWD, parent, 65536, &text, e) < 0 ||
		    value_put(g, CGROUP_CPUSET, files[i], text.p, e) < 0)
			return -1;
	}
	return 0;
}

static int limits_apply(const struct cgroup *g, const struct cgroup_limits *l, struct err *e)
{
	if (l->memory && memory_limit(g, l, e) < 0)
		return -1;
	if (((l->reservation || l->has_swappiness) && reserve(g, l, e) < 0) ||
	    ((l->nano_cpus || l->cpu_shares || l->cpu_quota || l->cpu_period) && cpu_limit(g, l, e) < 0))
		return -1;
	if (l->pids && number_put(g, CGROUP_PIDS, "pids.max", l->pids, "max", e) < 0)
		return -1;
	if ((!l->cpuset || !*l->cpuset) && !l->cpuset_mems)
		return 0;
	if (!g->v2[CGROUP_CPUSET] && cpuset_inherit(g, e) < 0)
		return -1;
	if (l->cpuset_mems && value_put(g, CGROUP_CPUSET, "cpuset.mems", l->cpuset_mems, e) < 0)
		return -1;
	return l->cpuset && *l->cpuset ? value_put(g, CGROUP_CPUSET, "cpuset.cpus", l->cpuset, e) : 0;
}

/* ---- directories ---- */

static bool empty_of_processes(int dir)
{
	auto_fd int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char c;

	return fd >= 0 && read(fd, &c, 1) == 0;
}

/* Is the directory that fd holds still the one at its path? A sweeper may have been quicker. */
static bool still_there(const char *dir, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(dir, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

/* Garbage, as the head of cgroup.h says, is removed; returns whether it was. */
static bool garbage_remove(const char *dir)
{
	auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && empty_of_processes(fd) &&
	       rmdir(dir) == 0;
}

static int place_make(struct place *p, struct err *e)
{
	for (int tries = 0; tries < 10; tries++) {
		if (mkdir(p->dir, 0755) < 0) {
			if (errno != EEXIST)
				return err_sys(e, "make cgroup %s", p->dir);
			if (!garbage_remove(p->dir))
				return err_set(e, ERR_CONFLICT, "cgroup %s is in use", p->dir);
			continue;
		}
		p->fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (p->fd >= 0 && flock(p->fd, LOCK_EX) == 0 && still_there(p->dir, p->fd))
			break;
		if (p->fd >= 0)
			close(p->fd);
		p->fd = -1;
	}
	if (p->fd < 0)
		return err_set(e, ERR_CONFLICT, "cgroup %s is removed as soon as it is made",
			       p->dir);
	p->procs = openat(p->fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (p->procs < 0)
		return err_sys(e, "open %s/cgroup.procs", p->dir);
	return 0;
}

/* Use parent/tare-name for the controller: a directory made for another one, or new. */
static int controller_place(struct cgroup *g, enum cgroup_controller c, const char *parent,
			    const char *name, struct err *e)
{
	char *dir = xasprintf("%s/" PREFIX "%s", parent, name);

	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->place[i].dir, dir) == 0) {
			g->of[c] = i;
			free(dir);
			return 0;
		}
	g->place[g->n] = (struct place){ .dir = dir, .fd = -1, .procs = -1 };
	g->of[c] = g->n++;
	return place_make(&g->place[g->n - 1], e);
}

static unsigned limits_mask(const struct cgroup_limits *l)
{
	unsigned mask = 0;

	if (l->memory || l->memory_swap || l->reservation || l->has_swappiness)
		mask |= 1u << CGROUP_MEMORY;
	if (l->nano_cpus || l->cpu_shares || l->cpu_quota || l->cpu_period)
		mask |= 1u << CGROUP_CPU;
	if (l->pids)
		mask |= 1u << CGROUP_PIDS;
	if ((l->cpuset && *l->cpuset) || l->cpuset_mems)
		mask |= 1u << CGROUP_CPUSET;
	return mask;
}

static int v2_missing(const struct cgroup_places *p, unsigned mask, struct err *e)
{
	auto_buf struct buf words = { 0 };

	for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++)
		if (mask & 1u << i)
			buf_printf(&words, "%s%s", words.n ? ", " : "", cgroup_words[i]);
	if (!p->v2)
		return err_set(e, ERR_NOT_FOUND, "this host has no cgroup controller to limit %s",
			       words.p);
	err_set(e, ERR_DENIED, "no cgroup from %s upwards may be given limits of %s", p->v2,
		words.p);
	return err_hint(e, NO_DELEGATION);
}

static int places_make(struct cgroup *g, const char *name, unsigned mask, struct err *e)
{
	struct cgroup_places p;
	unsigned v2 = 0;
	int r = cgroup_places_read(&p, e);

	for (unsigned c = 0; r == 0 && c < CGROUP_CONTROLLERS; c++) {
		if (!(mask & 1u << c))
			continue;
		g->v2[c] = !p.v1[c];
		if (p.v1[c])
			r = controller_place(g, c, p.v1[c], name, e);
		else
			v2 |= 1u << c;
	}
	if (r == 0 && v2) {
		auto_free char *parent = cgroup_v2_parent(&p, v2, true);

		if (!parent)
			r = v2_missing(&p, v2, e);
		for (unsigned c = 0; r == 0 && c < CGROUP_CONTROLLERS; c++)
			if (v2 & 1u << c)
				r = controller_place(g, c, parent, name, e);
	}
	cgroup_places_done(&p);
	if (r == 0)
		g->mask |= mask;
	return r;
}

/* Any hierarchy will do, as long as it is nobody else's place. */
static int tracker_make(struct cgroup *g, const char *name, struct err *e)
{
	static const enum cgroup_controller order[] = { CGROUP_PIDS, CGROUP_MEMORY, CGROUP_CPU };
	auto_free char *parent = NULL;
	struct cgroup_places p;
	int r = -1;

	if (cgroup_places_read(&p, e) < 0)
		return -1;
	for (size_t i = 0; i < countof(order); i++)
		if (p.v1[order[i]]) {
			r = controller_place(g, order[i], p.v1[order[i]], name, e);
			cgroup_places_done(&p);
			return r;
		}
	parent = cgroup_v2_parent(&p, 0, true);
	if (parent)
		r = controller_place(g, CGROUP_PIDS, parent, name, e);
	else
		err_set(e, ERR_DENIED, "no cgroup may be made to hold the container's processes");
	cgroup_places_done(&p);
	return parent ? r : err_hint(e, NO_DELEGATION);
}

static int name_check(const char *name, struct err *e)
{
	static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = name ? strspn(name, fit) : 0;

	if (n == 0 || n > 128 || name[n])
		return err_set(e, ERR_USAGE, "\"%s\" cannot name a cgroup", name ? name : "");
	return 0;
}

static int refused(struct err *e)
{
	if (e->kind == ERR_SYS && (e->sys == EACCES || e->sys == EPERM || e->sys == EROFS)) {
		e->kind = ERR_DENIED;
		err_hint(e, NO_DELEGATION);
	}
	return err_wrap(e, "limits");
}

int cgroup_new(const char *name, const struct cgroup_limits *l, struct cgroup **ret, struct err *e)
{
	struct cgroup *g;
	int r;

	if (name_check(name, e) < 0 || cgroup_check(l, e) < 0)
		return -1;
	cgroup_sweep();
	g = xcalloc(1, sizeof(*g));
	r = limits_mask(l) ? places_make(g, name, limits_mask(l), e) : tracker_make(g, name, e);
	if (r < 0 || limits_apply(g, l, e) < 0) {
		cgroup_free(g);
		return refused(e);
	}
	*ret = g;
	return 0;
}

int cgroup_change(struct cgroup *g, const char *name, const struct cgroup_limits *l, struct err *e)
{
	if (name_check(name, e) < 0 || cgroup_check(l, e) < 0)
		return -1;
	if (places_make(g, name, limits_mask(l) & ~g->mask, e) < 0 || limits_apply(g, l, e) < 0)
		return refused(e);
	return 0;
}

/* ---- use ---- */

int cgroup_add(struct cgroup *g, pid_t pid, struct err *e)
{
	auto_free char *text = xasprintf("%d", pid);

	for (size_t i = 0; i < g->n; i++)
		if (write(g->place[i].procs, text, strlen(text)) < 0)
			return err_sys(e, "move process %d to %s", pid, g->place[i].dir);
	return 0;
}

size_t cgroup_procs(const struct cgroup *g, int ret[static CGROUP_DIRS])
{
	for (size_t i = 0; i < g->n; i++)
		ret[i] = g->place[i].procs;
	return g->n;
}

size_t cgroup_dirs(const struct cgroup *g, const char *ret[static CGROUP_DIRS])
{
	for (size_t i = 0; i < g->n; i++)
		ret[i] = g->place[i].dir;
	return g->n;
}

bool cgroup_oom(const struct cgroup *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (number_get(g->place[i].fd, "memory.events", "oom_kill") > 0 ||
		    number_get(g->place[i].fd, "memory.oom_control", "oom_kill") > 0)
			return true;
	return false;
}

int cgroup_members(const struct cgroup *g, struct strv *ret, struct err *e)
{
	auto_buf struct buf text = { 0 };

	if (fs_read(g->place[0].fd, "cgroup.procs", BUF_MAX / 2, &text, e) < 0)
		return err_wrap(e, "look for the container's processes");
	for (struct str rest = buf_view(&text); rest.p;) {
		struct str pid = str_cut(&rest, '\n');

		if (pid.n)
			strv_add_n(ret, pid);
	}
	return 0;
}

/* SIGKILL to all that are in dir now; returns how many there were. */
static size_t kill_listed(int dir)
{
	auto_buf struct buf text = { 0 };
	auto_err struct err e = { 0 };
	struct str rest;
	uint64_t pid;
	size_t n = 0;

	if (fs_read(dir, "cgroup.procs", BUF_MAX / 2, &text, &e) < 0)
		return 0;
	for (rest = buf_view(&text); rest.p;)
		if (str_to_u64(str_cut(&rest, '\n'), 10, &pid) && pid > 0 && pid <= INT32_MAX) {
			kill((pid_t)pid, SIGKILL);
			n++;
		}
	return n;
}

static void place_kill(const struct place *p)
{
	auto_fd int fd = p->fd < 0 ? -1 : openat(p->fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);

	if (p->fd < 0 || (fd >= 0 && write(fd, "1", 1) == 1))
		return;
	for (int i = 0; i < KILL_ROUNDS && kill_listed(p->fd) > 0; i++)
		poll(NULL, 0, 1);
}

void cgroup_kill(struct cgroup *g)
{
	for (size_t i = 0; i < g->n; i++)
		place_kill(&g->place[i]);
}

static void place_remove(struct place *p)
{
	if (p->fd >= 0 && rmdir(p->dir) < 0 && errno == EBUSY) {
		place_kill(p);
		for (int i = 0; i < REMOVE_TRIES && rmdir(p->dir) < 0 && errno == EBUSY; i++)
			poll(NULL, 0, 5);
	}
	if (p->procs >= 0)
		close(p->procs);
	if (p->fd >= 0)
		close(p->fd);
	free(p->dir);
}

void cgroup_free(struct cgroup *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n; i++)
		place_remove(&g->place[i]);
	free(g);
}

/* ---- what others left ---- */

static size_t sweep_dir(const char *parent)
{
	DIR *d = opendir(parent);
	size_t n = 0;

	if (!d)
		return 0;
	for (const struct dirent *de = readdir(d); de; de = readdir(d))
		if (str_starts(str_of(de->d_name), PREFIX)) {
			auto_free char *dir = xasprintf("%s/%s", parent, de->d_name);

			n += garbage_remove(dir);
		}
	closedir(d);
	return n;
}

size_t cgroup_sweep(void)
{
	auto_err struct err e = { 0 };
	struct cgroup_places p;
	char *slash;
	size_t n = 0;

	if (cgroup_places_read(&p, &e) < 0)
		return 0;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (p.v1[i])
			n += sweep_dir(p.v1[i]);
	while (p.v2) {			/* any ancestor may have been the parent */
		n += sweep_dir(p.v2);
		slash = strlen(p.v2) > p.v2_top ? strrchr(p.v2, '/') : NULL;
		if (!slash || (size_t)(slash - p.v2) < p.v2_top)
			break;
		*slash = '\0';
	}
	cgroup_places_done(&p);
	return n;
}

enum cgroup_version cgroup_facts(struct buf *controllers)
{
	auto_err struct err e = { 0 };
	enum cgroup_version ret = CGROUP_NONE;
	struct cgroup_places p;
	unsigned v2;

	if (cgroup_places_read(&p, &e) < 0)
		return ret;
	v2 = cgroup_v2_can(&p);
	if (p.v2)
		ret = CGROUP_V2;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		if (p.v1[i])
			ret = CGROUP_V1;
		if (p.v1[i] ? faccessat(AT_FDCWD, p.v1[i], W_OK, AT_EACCESS) == 0
			    : (v2 & 1u << i) != 0)
			buf_printf(controllers, "%s%s", controllers->n ? " " : "", cgroup_words[i]);
	}
	cgroup_places_done(&p);
	return ret;
}
