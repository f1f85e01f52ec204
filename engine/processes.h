/* SPDX-License-Identifier: Apache-2.0 */
/* For engine/stats: the processes in a container's pid namespace. */
#ifndef ENGINE_PROCESSES_H
#define ENGINE_PROCESSES_H

#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

struct process;

struct proc_info {		/* texts are borrowed during the call */
	pid_t pid, ppid;	/* in our own pid namespace */
	uid_t uid;
	char state;
	const char *name;	/* "sh" */
	struct str command;	/* its arguments with blanks between them; [name] without any */
	int tty;		/* device number, 0: none */
	uint64_t start;		/* clock ticks after boot */
	uint64_t cpu_ns, rss, vsize, threads, read, written;
};

/* Ordered by pid. What ends meanwhile is left out. */
void processes_each(const struct process *t, void (*fn)(void *arg, const struct proc_info *p), void *arg);

#endif
