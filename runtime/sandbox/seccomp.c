/* SPDX-License-Identifier: Apache-2.0 */
/* The default profile: which system calls a container may make, as Docker has it. */
#include "runtime/sandbox/seccomp.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sched.h>

#include "runtime/sandbox/caps.h"
#include "runtime/sandbox/filter.h"

/* Always allowed, by what they are about. Names of all architectures; each has the ones that it
 * knows. */
static const char *const always[] = {
	/* reading and writing */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
	"pwritev2", "lseek", "_llseek", "close", "close_range", "dup", "dup2", "dup3", "pipe",
	"pipe2", "fcntl", "fcntl64", "ioctl", "flock", "fsync", "fdatasync", "sync", "syncfs",
	"sync_file_range", "truncate", "truncate64", "ftruncate", "ftruncate64", "fallocate",
	"fadvise64", "fadvise64_64", "readahead", "sendfile", "sendfile64", "copy_file_range",
	"splice", "tee", "vmsplice", "cachestat",
	/* names, directories, metadata */
	"open", "openat", "openat2", "creat", "access", "faccessat", "faccessat2", "stat", "stat64",
	"fstat", "fstat64", "lstat", "lstat64", "newfstatat", "fstatat64", "statx", "statfs",
	"statfs64", "fstatfs", "fstatfs64", "statmount", "listmount", "getdents", "getdents64",
	"getcwd", "chdir", "fchdir", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "link",
	"linkat", "symlink", "symlinkat", "readlink", "readlinkat", "unlink", "unlinkat", "rename",
	"renameat", "renameat2", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "chown32",
	"fchown", "fchown32", "lchown", "lchown32", "fchownat", "utime", "utimes", "futimesat",
	"utimensat", "utimensat_time64", "umask", "name_to_handle_at", "getxattr", "lgetxattr",
	"fgetxattr", "getxattrat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "listxattr",
	"llistxattr", "flistxattr", "listxattrat", "removexattr", "lremovexattr", "fremovexattr",
	"removexattrat", "inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
	"fanotify_mark",
	/* waiting for files, timers and signals */
	"poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64",
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_wait",
	"epoll_wait_old", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2", "signalfd",
	"signalfd4", "timerfd_create", "timerfd_settime", "timerfd_settime64", "timerfd_gettime",
	"timerfd_gettime64", "io_setup", "io_destroy", "io_submit", "io_cancel", "io_getevents",
	"io_pgetevents", "io_pgetevents_time64",
	/* memory */
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "mincore", "msync",
	"mlock", "mlock2", "mlockall", "munlock", "munlockall", "mseal", "memfd_create",
	"memfd_secret", "remap_file_pages", "pkey_alloc", "pkey_free", "pkey_mprotect",
	"membarrier", "map_shadow_stack",
	/* processes and threads */
	"fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "waitpid",
	"getpid", "getppid", "gettid", "getpgid", "setpgid", "getpgrp", "getsid", "setsid", "prctl",
	"arch_prctl", "set_tid_address", "set_thread_area", "get_thread_area", "set_robust_list",
	"get_robust_list", "rseq", "futex", "futex_time64", "futex_waitv", "futex_wait",
	"futex_wake", "futex_requeue", "pidfd_open", "pidfd_send_signal", "process_mrelease",
	"getpriority", "setpriority", "ioprio_get", "ioprio_set", "sched_yield",
	"sched_getaffinity", "sched_setaffinity", "sched_getattr", "sched_setattr",
	"sched_getparam", "sched_setparam", "sched_getscheduler", "sched_setscheduler",
	"sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval",
	"sched_rr_get_interval_time64", "getrlimit", "ugetrlimit", "setrlimit", "prlimit64",
	"getrusage", "restart_syscall", "seccomp", "landlock_create_ruleset", "landlock_add_rule",
	"landlock_restrict_self", "modify_ldt", "uretprobe", "riscv_hwprobe",
	/* signals */
	"kill", "tkill", "tgkill", "pause", "alarm", "sigaltstack", "sigprocmask", "sigreturn",
	"rt_sigaction", "rt_sigprocmask", "rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait",
	"rt_sigtimedwait_time64", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "rt_sigreturn",
	/* identity */
	"getuid", "getuid32", "geteuid", "geteuid32", "getgid", "getgid32", "getegid", "getegid32",
	"getresuid", "getresuid32", "getresgid", "getresgid32", "getgroups", "getgroups32",
	"setuid", "setuid32", "setgid", "setgid32", "setreuid", "setreuid32", "setregid",
	"setregid32", "setresuid", "setresuid32", "setresgid", "setresgid32", "setfsuid",
	"setfsuid32", "setfsgid", "setfsgid32", "setgroups", "setgroups32", "capget", "capset",
	/* time and the machine */
	"time", "times", "gettimeofday", "clock_gettime", "clock_gettime64", "clock_getres",
	"clock_getres_time64", "clock_nanosleep", "clock_nanosleep_time64", "clock_adjtime",
	"clock_adjtime64", "adjtimex", "nanosleep", "getitimer", "setitimer", "timer_create",
	"timer_delete", "timer_settime", "timer_settime64", "timer_gettime", "timer_gettime64",
	"timer_getoverrun", "uname", "sysinfo", "getcpu", "getrandom",
	/* sockets; the family is looked at where one is made, but not inside 32-bit socketcall */
	"socketpair", "bind", "listen", "accept", "accept4", "connect", "shutdown", "getsockname",
	"getpeername", "getsockopt", "setsockopt", "send", "sendto", "sendmsg", "sendmmsg", "recv",
	"recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64", "socketcall",
	/* System V and POSIX messages, semaphores, shared memory */
	"ipc", "msgget", "msgsnd", "msgrcv", "msgctl", "semget", "semop", "semtimedop",
	"semtimedop_time64", "semctl", "shmget", "shmat", "shmdt", "shmctl", "mq_open", "mq_unlink",
	"mq_timedsend", "mq_timedsend_time64", "mq_timedreceive", "mq_timedreceive_time64",
	"mq_notify", "mq_getsetattr",
	/* tracing one's own children: harmless since Linux 4.8, where seccomp comes after ptrace */
	"ptrace", "process_vm_readv", "process_vm_writev",
	/* what only some architectures have */
	"arm_fadvise64_64", "arm_sync_file_range", "sync_file_range2", "breakpoint", "cacheflush",
	"set_tls", "s390_pci_mmio_read", "s390_pci_mmio_write", "s390_runtime_instr",
	"riscv_flush_icache", "swapcontext", NULL
};

#define CALLS(...) (const char *const[]){ __VA_ARGS__, NULL }

static const struct {		/* allowed to whoever has the capability */
	unsigned cap;
	const char *const *names;
} by_cap[] = {
	{ CAP_DAC_READ_SEARCH, CALLS("open_by_handle_at") },
	{ CAP_SYS_ADMIN,
	  CALLS("bpf", "clone", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen",
		"fspick", "lookup_dcookie", "lsm_get_self_attr", "lsm_list_modules",
		"lsm_set_self_attr", "mount", "mount_setattr", "move_mount", "open_tree",
		"perf_event_open", "quotactl", "quotactl_fd", "setdomainname", "sethostname",
		"setns", "syslog", "umount", "umount2", "unshare") },
	{ CAP_SYS_BOOT, CALLS("reboot") },
	{ CAP_SYS_CHROOT, CALLS("chroot") },
	{ CAP_SYS_MODULE, CALLS("delete_module", "init_module", "finit_module") },
	{ CAP_SYS_PACCT, CALLS("acct") },
	{ CAP_SYS_PTRACE, CALLS("kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv",
				"process_vm_writev", "ptrace") },
	{ CAP_SYS_RAWIO, CALLS("iopl", "ioperm") },
	{ CAP_SYS_TIME, CALLS("settimeofday", "stime", "clock_settime", "clock_settime64") },
	{ CAP_SYS_TTY_CONFIG, CALLS("vhangup") },
	{ CAP_SYS_NICE,
	  CALLS("get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node") },
	{ CAP_SYSLOG, CALLS("syslog") },
	{ CAP_BPF, CALLS("bpf") },
	{ CAP_PERFMON, CALLS("perf_event_open") },
};

/* Namespaces may not be made by clone(): NEWNS NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID NEWNET. */
#define CLONE_NEW \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)
#ifdef __s390__
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif

#define ONE(i, o, v) .nargs = 1, .args = { { .index = (i), .op = (o), .value = (v) } }

static const struct {
	const char *name;
	unsigned unless;		/* not for who has this capability; 0: for all */
	struct filter_rule rule;
} by_arg[] = {
	/* any family but AF_ALG (38) and AF_VSOCK (40) */
	{ "socket", 0, { .action = SECCOMP_RET_ALLOW, ONE(0, FILTER_LT, 38) } },
	{ "socket", 0, { .action = SECCOMP_RET_ALLOW, ONE(0, FILTER_EQ, 39) } },
	{ "socket", 0, { .action = SECCOMP_RET_ALLOW, ONE(0, FILTER_GT, 40) } },
	/* Linux and Linux32, with and without UNAME26; 0xffffffff asks only */
	{ "personality", 0, { .action = SECCOMP_RET_ALLOW, ONE(0, FILTER_EQ, 0) } },
	{ "personality", 0, { .action = SECCOMP_RET_ALLOW, ONE(0, FILTER_EQ, 8) } },
	{ "personality", 0, { .action = SECCOMP_RET_ALLOW, ONE(0, FILTER_EQ, 0x20000) } },
	{ "personality", 0, { .action = SECCOMP_RET_ALLOW, ONE(0, FILTER_EQ, 0x20008) } },
	{ "personality", 0, { .action = SECCOMP_RET_ALLOW, ONE(0, FILTER_EQ, 0xffffffff) } },
	{ "clone",
	  CAP_SYS_ADMIN,
	  { .action = SECCOMP_RET_ALLOW, ONE(CLONE_FLAGS_ARG, FILTER_MASKED_EQ, CLONE_NEW) } },
	/* its flags lie in memory, out of a filter's reach: libc falls back to clone() */
	{ "clone3", CAP_SYS_ADMIN, { .action = SECCOMP_RET_ERRNO | ENOSYS } },
};

static void add_arches(struct filter *f)
{
	uint32_t native = filter_native();
	bool ok = filter_add_arch(f, native);

	if (native == SCMP_ARCH_X86_64)
		ok = ok && filter_add_arch(f, SCMP_ARCH_X86) && filter_add_arch(f, SCMP_ARCH_X32);
	else if (native == SCMP_ARCH_AARCH64)
		ok = ok && filter_add_arch(f, SCMP_ARCH_ARM);
	else if (native == SCMP_ARCH_S390X)
		ok = ok && filter_add_arch(f, SCMP_ARCH_S390);
	(void)ok;	/* three fit into FILTER_ARCHES */
}

int seccomp_default(uint64_t caps, struct buf *ret, struct err *e)
{
	static const struct filter_rule allow = { .action = SECCOMP_RET_ALLOW };
	struct filter f;
	size_t rule;
	int r;

	filter_init(&f, SECCOMP_RET_ERRNO | EPERM);
	add_arches(&f);
	rule = filter_add_rule(&f, &allow);
	for (const char *const *n = always; *n; n++)
		filter_add_name(&f, rule, *n);
	for (size_t i = 0; i < countof(by_cap); i++)
		if (caps & CAPS_BIT(by_cap[i].cap))
			for (const char *const *n = by_cap[i].names; *n; n++)
				filter_add_name(&f, rule, *n);
	for (size_t i = 0; i < countof(by_arg); i++)
		if (!by_arg[i].unless || !(caps & CAPS_BIT(by_arg[i].unless)))
			filter_add_name(&f, filter_add_rule(&f, &by_arg[i].rule), by_arg[i].name);
	r = filter_compile(&f, ret, e);
	filter_done(&f);
	return r;
}
