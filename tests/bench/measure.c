/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure SECONDS COMMAND...: run it, and write "STATUS WALL_NS USER_US SYSTEM_US PEAK_KIB" as the last line of standard
 * error. PEAK is of the largest of its processes. A program of its own, because a process is charged with the memory
 * of the one that forked it until it executes something: that of a script's interpreter is larger than what is
 * measured. After SECONDS the command's session is killed, STATUS is then "late".
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t late;
static pid_t child;

static void on_alarm(int sig)
{
	(void)sig;
	late = 1;
	kill(-child, SIGKILL);
}

static long long micros(struct timeval t)
{
	return (long long)t.tv_sec * 1000000 + t.tv_usec;
}

int main(int argc, char **argv)
{
	struct timespec a, b;
	struct rusage u;
	int status;

	if (argc < 3)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &a);
	child = fork();
	if (child < 0)
		return 2;
	if (child == 0) {
		setsid();
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	signal(SIGALRM, on_alarm);
	alarm((unsigned)strtoul(argv[1], NULL, 10));
	while (wait4(child, &status, 0, &u) < 0)
		if (errno != EINTR)
			return 2;
	clock_gettime(CLOCK_MONOTONIC, &b);
	if (late)
		fprintf(stderr, "\nlate");
	else
		fprintf(stderr, "\n%d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	fprintf(stderr, " %lld %lld %lld %ld\n", (b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec,
		micros(u.ru_utime), micros(u.ru_stime), u.ru_maxrss);
	return 0;
}
