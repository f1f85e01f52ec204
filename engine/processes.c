/* SPDX-License-Identifier: Apache-2.0 */
/* proc(5): stat, status, cmdline, io of each process whose pid namespace is the container's. */
#include "engine/processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "runtime/sandbox/join.h"

#define TEXT_MAX ((size_t)4 << 20)

static uint64_t field(struct str rest, int n)
{
	uint64_t v = 0;

	for (int i = 0; i < n && rest.p; i++)
		(void)str_cut(&rest, ' ');
	return rest.p && str_to_u64(str_cut(&rest, ' '), 10, &v) ? v : 0;
}

/* Fields are counted from 3, the state, which follows the name in parentheses. */
static bool take_stat(int dir, struct buf *text, struct proc_info *p)
{
	uint64_t tick = (uint64_t)sysconf(_SC_CLK_TCK), page = (uint64_t)sysconf(_SC_PAGESIZE);
	auto_err struct err gone = { 0 };
	char *open, *close;
	struct str rest;

	if (fs_read(dir, "stat", TEXT_MAX, text, &gone) < 0 || !(open = strchr(text->p, '(')) ||
	    !(close = strrchr(text->p, ')')) || close < open)
		return false;
	*close = '\0';
	p->name = open + 1;
	rest = str_of(close + 2);
	p->state = *rest.p;
	p->ppid = (pid_t)field(rest, 4 - 3);
	p->tty = (int)field(rest, 7 - 3);
	p->cpu_ns = (field(rest, 14 - 3) + field(rest, 15 - 3)) * (1000000000 / MAX(tick, (uint64_t)1));
	p->threads = field(rest, 20 - 3);
	p->start = field(rest, 22 - 3);
	p->vsize = field(rest, 23 - 3);
	p->rss = field(rest, 24 - 3) * page;
	return true;
}

static void take_io(int dir, struct proc_info *p)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };

	if (fs_read(dir, "io", TEXT_MAX, &b, &ignored) < 0)
		return;
	for (struct str rest = buf_view(&b); rest.p; ) {
		struct str value = str_cut(&rest, '\n'), key = str_cut(&value, ':');
		uint64_t n;

		if (value.p && str_to_u64(str_trim(value), 10, &n)) {
			if (str_is(key, "read_bytes"))
				p->read = n;
			else if (str_is(key, "write_bytes"))
				p->written = n;
		}
	}
}

static void take_command(int dir, struct buf *text, struct proc_info *p)
{
	auto_err struct err ignored = { 0 };

	if (fs_read(dir, "cmdline", TEXT_MAX, text, &ignored) < 0 || !text->n) {
		buf_reset(text);
		buf_printf(text, "[%s]", p->name);
	}
	while (text->n && !text->p[text->n - 1])
		text->n--;
	for (size_t i = 0; i < text->n; i++)
		if ((unsigned char)text->p[i] < ' ')
			text->p[i] = ' ';
	p->command = buf_view(text);
}

static void look(int top, pid_t pid, const struct stat *ns, void (*fn)(void *, const struct proc_info *), void *arg)
{
	auto_free char *name = xasprintf("%d", pid);
	auto_fd int dir = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_buf struct buf stat_text = { 0 }, command = { 0 };
	struct proc_info p = { .pid = pid };
	struct stat st;

	if (dir < 0 || fstatat(dir, "ns/pid", &st, 0) < 0 || st.st_ino != ns->st_ino || st.st_dev != ns->st_dev)
		return;
	if (fstat(dir, &st) < 0 || !take_stat(dir, &stat_text, &p))
		return;
	p.uid = st.st_uid;
	take_io(dir, &p);
	take_command(dir, &command, &p);
	fn(arg, &p);
}

static int by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

/* Does it share its pid namespace with others, so that its cgroup says what is its own? It is not process 1 then. */
static bool shares_pids(const struct process *t)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };
	struct str rest;

	if (fs_read(t->proc, "status", TEXT_MAX, &b, &ignored) < 0)
		return false;
	for (rest = buf_view(&b); rest.p;) {
		struct str line = str_cut(&rest, '\n'), pid = { 0 };

		if (!str_starts(line, "NSpid:"))
			continue;
		while (line.p)
			pid = str_cut(&line, '\t');
		return !str_is(pid, "1");
	}
	return false;
}

/* The processes of its cgroup; it has one of its own. */
static void list_cgroup(const struct process *t, struct strv *ret)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };
	auto_strv struct strv dirs = { 0 };
	auto_free char *path = NULL;

	if (process_cgroups(t, &dirs, &ignored) < 0 || dirs.n == 0)
		return;
	path = xasprintf("%s/cgroup.procs", dirs.v[0]);
	if (fs_read(AT_FDCWD, path, (size_t)4 << 20, &b, &ignored) < 0)
		return;
	for (struct str rest = buf_view(&b); rest.p;)
		strv_add_n(ret, str_cut(&rest, '\n'));
}

void processes_each(const struct process *t, void (*fn)(void *arg, const struct proc_info *p), void *arg)
{
	DIR *d = opendir("/proc");
	auto_strv struct strv names = { 0 };
	auto_free pid_t *pids = NULL;
	size_t n = 0;
	struct dirent *de;
	struct stat ns;
	uint64_t pid;

	if (shares_pids(t))
		list_cgroup(t, &names);
	else
		while (d && (de = readdir(d)))
			strv_add(&names, de->d_name);
	for (size_t i = 0; i < names.n; i++)
		if (str_to_u64(str_of(names.v[i]), 10, &pid) && pid <= INT32_MAX) {
			pids = xrealloc(pids, (n + 1) * sizeof(*pids));
			pids[n++] = (pid_t)pid;
		}
	if (n)
		qsort(pids, n, sizeof(*pids), by_number);
	if (d && fstatat(t->proc, "ns/pid", &ns, 0) == 0)
		for (size_t i = 0; i < n; i++)
			look(dirfd(d), pids[i], &ns, fn, arg);
	if (d)
		closedir(d);
}
