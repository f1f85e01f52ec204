/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities as sets of bits: names, the default fourteen, --cap-add and --cap-drop. */
#include "runtime/sandbox/caps.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static const char *const cap_names[] = {	/* by number: capabilities(7) */
	[CAP_CHOWN] = "CAP_CHOWN",
	[CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
	[CAP_FOWNER] = "CAP_FOWNER",
	[CAP_FSETID] = "CAP_FSETID",
	[CAP_KILL] = "CAP_KILL",
	[CAP_SETGID] = "CAP_SETGID",
	[CAP_SETUID] = "CAP_SETUID",
	[CAP_SETPCAP] = "CAP_SETPCAP",
	[CAP_LINUX_IMMUTABLE] = "CAP_LINUX_IMMUTABLE",
	[CAP_NET_BIND_SERVICE] = "CAP_NET_BIND_SERVICE",
	[CAP_NET_BROADCAST] = "CAP_NET_BROADCAST",
	[CAP_NET_ADMIN] = "CAP_NET_ADMIN",
	[CAP_NET_RAW] = "CAP_NET_RAW",
	[CAP_IPC_LOCK] = "CAP_IPC_LOCK",
	[CAP_IPC_OWNER] = "CAP_IPC_OWNER",
	[CAP_SYS_MODULE] = "CAP_SYS_MODULE",
	[CAP_SYS_RAWIO] = "CAP_SYS_RAWIO",
	[CAP_SYS_CHROOT] = "CAP_SYS_CHROOT",
	[CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
	[CAP_SYS_PACCT] = "CAP_SYS_PACCT",
	[CAP_SYS_ADMIN] = "CAP_SYS_ADMIN",
	[CAP_SYS_BOOT] = "CAP_SYS_BOOT",
	[CAP_SYS_NICE] = "CAP_SYS_NICE",
	[CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
	[CAP_SYS_TIME] = "CAP_SYS_TIME",
	[CAP_SYS_TTY_CONFIG] = "CAP_SYS_TTY_CONFIG",
	[CAP_MKNOD] = "CAP_MKNOD",
	[CAP_LEASE] = "CAP_LEASE",
	[CAP_AUDIT_WRITE] = "CAP_AUDIT_WRITE",
	[CAP_AUDIT_CONTROL] = "CAP_AUDIT_CONTROL",
	[CAP_SETFCAP] = "CAP_SETFCAP",
	[CAP_MAC_OVERRIDE] = "CAP_MAC_OVERRIDE",
	[CAP_MAC_ADMIN] = "CAP_MAC_ADMIN",
	[CAP_SYSLOG] = "CAP_SYSLOG",
	[CAP_WAKE_ALARM] = "CAP_WAKE_ALARM",
	[CAP_BLOCK_SUSPEND] = "CAP_BLOCK_SUSPEND",
	[CAP_AUDIT_READ] = "CAP_AUDIT_READ",
	[CAP_PERFMON] = "CAP_PERFMON",
	[CAP_BPF] = "CAP_BPF",
	[CAP_CHECKPOINT_RESTORE] = "CAP_CHECKPOINT_RESTORE",
};

const uint64_t caps_default = CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) |
			      CAPS_BIT(CAP_FOWNER) | CAPS_BIT(CAP_FSETID) | CAPS_BIT(CAP_KILL) |
			      CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETPCAP) |
			      CAPS_BIT(CAP_NET_BIND_SERVICE) | CAPS_BIT(CAP_NET_RAW) |
			      CAPS_BIT(CAP_SYS_CHROOT) | CAPS_BIT(CAP_MKNOD) |
			      CAPS_BIT(CAP_AUDIT_WRITE) | CAPS_BIT(CAP_SETFCAP);

const char *caps_name(unsigned cap)
{
	return cap < countof(cap_names) ? cap_names[cap] : NULL;
}

bool caps_find(struct str name, unsigned *ret)
{
	if (name.n > 4 && str_is_nocase(str_sub(name, 0, 4), "CAP_"))
		name = str_sub(name, 4, name.n);
	for (unsigned i = 0; i < countof(cap_names); i++)
		if (str_is_nocase(name, cap_names[i] + 4)) {
			*ret = i;
			return true;
		}
	return false;
}

uint64_t caps_host(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };
	uint64_t have, ret = 0;

	if (syscall(SYS_capget, &h, d) < 0)
		return 0;
	have = d[0].permitted | (uint64_t)d[1].permitted << 32;
	for (unsigned i = 0; i < countof(cap_names); i++)
		if ((have & CAPS_BIT(i)) && prctl(PR_CAPBSET_READ, i, 0, 0, 0) > 0)
			ret |= CAPS_BIT(i);
	return ret;
}

/* One list of words as a set; *all says that ALL was among them. */
static int words_set(const struct strv *words, const char *option, uint64_t *ret, bool *all,
		     struct err *e)
{
	unsigned cap;

	*ret = 0;
	*all = false;
	for (size_t i = 0; i < words->n; i++) {
		if (str_is_nocase(str_of(words->v[i]), "ALL"))
			*all = true;
		else if (caps_find(str_of(words->v[i]), &cap))
			*ret |= CAPS_BIT(cap);
		else {
			err_set(e, ERR_USAGE, "%s: no such capability: \"%s\"", option,
				words->v[i]);
			return err_hint(e, "capabilities(7) lists them; ALL means every one");
		}
	}
	return 0;
}

int caps_parse(const struct strv *add, const struct strv *drop, uint64_t base, uint64_t host,
	       uint64_t *ret, struct err *e)
{
	uint64_t plus, minus, missing;
	bool all, none;

	if (words_set(add, "--cap-add", &plus, &all, e) < 0 ||
	    words_set(drop, "--cap-drop", &minus, &none, e) < 0)
		return -1;
	missing = plus & ~host;
	if (missing) {
		err_set(e, ERR_DENIED,
			"--cap-add: %s is not ours to give: this process does not have it",
			caps_name((unsigned)__builtin_ctzll(missing)));
		return err_hint(e, "leave it out, or start tare where it is permitted");
	}
	if (all)
		*ret = host & ~minus;
	else if (none)
		*ret = plus;
	else
		*ret = ((base & ~minus) | plus) & host;
	return 0;
}

void caps_text(uint64_t set, struct buf *ret)
{
	for (unsigned i = 0; i < countof(cap_names); i++)
		if (set & CAPS_BIT(i))
			buf_printf(ret, "%s%s", ret->n ? " " : "", cap_names[i]);
}
