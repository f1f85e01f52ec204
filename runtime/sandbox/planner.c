/* SPDX-License-Identifier: Apache-2.0 */
/* Plans as bytes. */
#include "runtime/sandbox/planner.h"

#include <sys/mman.h>

#include "base/fs.h"

void planner_put(struct planner *p, enum plan_code code, const int64_t args[static PLAN_ARGS],
		 const char *const *strs, struct str tail)
{
	static const char zeros[8];
	struct plan_op op = { .code = (uint16_t)code };
	size_t at = p->b.n;

	memcpy(op.arg, args, sizeof(op.arg));
	buf_add(&p->b, &op, sizeof(op));
	for (; *strs; strs++, op.nstr++)
		buf_add(&p->b, *strs, strlen(*strs) + 1);
	buf_str(&p->b, tail);
	buf_add(&p->b, zeros, -p->b.n & 7);
	op.size = (uint32_t)(p->b.n - at);
	memcpy(p->b.p + at, &op, sizeof(op));
}

void planner_inherit(struct planner *p, int fd, bool own)
{
	p->fds = xrealloc(p->fds, (p->nfds + 1) * sizeof(*p->fds));
	p->owned = xrealloc(p->owned, (p->nfds + 1) * sizeof(*p->owned));
	p->fds[p->nfds] = fd;
	p->owned[p->nfds++] = own;
}

void planner_fd(struct planner *p, int slot, int fd, bool own)
{
	planner_inherit(p, fd, own);
	planner_add(p, PLAN_FD, PLAN_A(slot, fd));
}

int planner_memfd(const struct planner *p, int *ret, struct err *e)
{
	auto_fd int fd = memfd_create("plan", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "make the sandbox's plan");
	if (fs_write_all(fd, p->b.p, p->b.n, e) < 0)
		return err_wrap(e, "make the sandbox's plan");
	*ret = take_fd(&fd);
	return 0;
}

void planner_done(struct planner *p)
{
	for (size_t i = 0; i < p->nfds; i++)
		if (p->owned[i])
			close(p->fds[i]);
	free(p->fds);
	free(p->owned);
	buf_done(&p->b);
	*p = (struct planner){ 0 };
}
