/* SPDX-License-Identifier: Apache-2.0 */
/* From /proc by the pid namespace, and from the container's own cgroups where it has some. */
#include "engine/stats.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/sysinfo.h>

#include "base/clock.h"
#include "base/fs.h"
#include "engine/processes.h"
#include "runtime/container/container.h"
#include "runtime/sandbox/join.h"

#define SMALL ((size_t)1 << 20)

static bool read_number(const char *dir, const char *file, uint64_t *ret)
{
	auto_free char *path = xasprintf("%s/%s", dir, file);
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };

	return fs_read(AT_FDCWD, path, SMALL, &b, &ignored) == 0 && str_to_u64(str_trim(buf_view(&b)), 10, ret);
}

/* The number behind a word at the start of a line; 0 if there is none. */
static uint64_t word_number(struct str text, const char *word)
{
	while (text.p) {
		struct str line = str_cut(&text, '\n'), rest = line, first = str_cut(&rest, ' ');
		uint64_t n;

		rest = str_trim(rest);
		if (str_is(first, word) && str_to_u64(str_cut(&rest, ' '), 10, &n))
			return n;
	}
	return 0;
}

static uint64_t file_word(const char *dir, const char *file, const char *word)
{
	auto_free char *path = xasprintf("%s/%s", dir, file);
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };

	return fs_read(AT_FDCWD, path, SMALL, &b, &ignored) == 0 ? word_number(buf_view(&b), word) : 0;
}

/* Memory that is used but could not be given back at once: without inactive file pages, as Docker has it. */
static void memory_of(const char *dir, struct stats *s)
{
	uint64_t used, cached, limit;

	if (read_number(dir, "memory.usage_in_bytes", &used))
		cached = file_word(dir, "memory.stat", "total_inactive_file");
	else if (read_number(dir, "memory.current", &used))
		cached = file_word(dir, "memory.stat", "inactive_file");
	else
		return;
	s->memory = used > cached ? used - cached : 0;
	if ((read_number(dir, "memory.limit_in_bytes", &limit) || read_number(dir, "memory.max", &limit)) &&
	    limit < s->memory_limit)
		s->memory_limit = limit;
}

static void network_of(const struct process *t, struct stats *s)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };
	struct str rest;

	if (fs_read(t->proc, "net/dev", SMALL, &b, &ignored) < 0)
		return;
	for (rest = buf_view(&b); rest.p; ) {
		struct str values = str_cut(&rest, '\n'), name = str_trim(str_cut(&values, ':'));
		uint64_t n;

		if (!values.p || str_is(name, "lo"))
			continue;
		for (int field = 0; field < 9 && values.p; ) {
			struct str word = str_cut(&values, ' ');

			if (!word.n)
				continue;
			if (field == 0 && str_to_u64(word, 10, &n))
				s->rx += n;
			if (field == 8 && str_to_u64(word, 10, &n))
				s->tx += n;
			field++;
		}
	}
}

static void one_process(void *arg, const struct proc_info *p)
{
	struct stats *s = arg;

	s->pids += p->threads;
	s->cpu_ns += p->cpu_ns;
	s->memory += p->rss;
	s->read += p->read;
	s->written += p->written;
}

void stats_read(const struct container *c, struct stats *ret)
{
	auto_err struct err ignored = { 0 };
	auto_strv struct strv dirs = { 0 };
	struct process t;
	struct sysinfo si;

	*ret = (struct stats){ .at_ns = clock_mono_ns() };
	if (sysinfo(&si) == 0)
		ret->memory_limit = (uint64_t)si.totalram * si.mem_unit;
	if (c->state.pid <= 0 || process_open(c->state.pid, c->state.pid_start, &t, &ignored) < 0) {
		ret->memory_limit = 0;
		return;
	}
	processes_each(&t, one_process, ret);
	network_of(&t, ret);
	if (process_cgroups(&t, &dirs, &ignored) == 0)
		for (size_t i = 0; i < dirs.n; i++)
			memory_of(dirs.v[i], ret);
	process_close(&t);
}

double stats_cpu_percent(const struct stats *from, const struct stats *to)
{
	double cpu = to->cpu_ns > from->cpu_ns ? (double)(to->cpu_ns - from->cpu_ns) : 0;

	return to->at_ns > from->at_ns ? 100 * cpu / (double)(to->at_ns - from->at_ns) : 0;
}
