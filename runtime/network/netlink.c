/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink by hand: messages collected in one buffer, sent at once, each answered in order. */
#include "runtime/network/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ANSWER_MAX ((size_t)64 << 10)	/* the kernel's dumps come in datagrams below this */

int nl_open(int protocol, struct nl *ret, struct err *e)
{
	static const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	static const struct timeval patience = { .tv_sec = 5 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), on = 1;

	if (fd < 0)
		return err_sys(e, "open a netlink socket");
	/* refusals without a copy of what was refused: all answers then fit into the buffer */
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	/* the kernel answers before send() returns; this is for what we may have misunderstood */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
		err_sys(e, "connect a netlink socket");
		close(fd);
		return -1;
	}
	*ret = (struct nl){ .fd = fd, .seq = 1 };
	return 0;
}

void nl_close(struct nl *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void pad(struct nl_batch *b)
{
	static const char zero[NLMSG_ALIGNTO];

	buf_add(&b->b, zero, NLMSG_ALIGN(b->b.n) - b->b.n);
}

void nl_begin(struct nl_batch *b, uint16_t type, uint16_t flags, const void *fixed, size_t n)
{
	struct nlmsghdr h = { .nlmsg_type = type,
			      .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST) };

	b->msg = b->b.n;
	buf_add(&b->b, &h, sizeof(h));
	buf_add(&b->b, fixed, n);
	pad(b);
	if (flags & NLM_F_ACK)
		b->n++;
}

static struct nlmsghdr *header(struct nl_batch *b, size_t at)
{
	return (struct nlmsghdr *)(void *)(b->b.p + at);	/* every part is padded to 4 bytes */
}

void nl_end(struct nl_batch *b)
{
	header(b, b->msg)->nlmsg_len = (uint32_t)(b->b.n - b->msg);
}

void nl_attr(struct nl_batch *b, uint16_t type, const void *p, size_t n)
{
	struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = type };

	buf_add(&b->b, &a, sizeof(a));
	buf_add(&b->b, p, n);
	pad(b);
}

void nl_attr_u32(struct nl_batch *b, uint16_t type, uint32_t v)
{
	nl_attr(b, type, &v, sizeof(v));
}

void nl_attr_be32(struct nl_batch *b, uint16_t type, uint32_t v)
{
	nl_attr_u32(b, type, htonl(v));
}

void nl_attr_str(struct nl_batch *b, uint16_t type, const char *s)
{
	nl_attr(b, type, s, strlen(s) + 1);
}

size_t nl_nest(struct nl_batch *b, uint16_t type)
{
	size_t at = b->b.n;

	nl_attr(b, type | NLA_F_NESTED, "", 0);
	return at;
}

void nl_unnest(struct nl_batch *b, size_t at)
{
	struct nlattr *a = (struct nlattr *)(void *)(b->b.p + at);

	a->nla_len = (uint16_t)(b->b.n - at);
}

/* ---- to the kernel and back ---- */

/* Number the messages from s->seq on and send them. */
static int put(struct nl *s, struct nl_batch *b, struct err *e)
{
	for (size_t at = 0; at < b->b.n; at += NLMSG_ALIGN(header(b, at)->nlmsg_len))
		header(b, at)->nlmsg_seq = s->seq++;
	while (send(s->fd, b->b.p, b->b.n, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "send to netlink");
	return 0;
}

static int refused(int sys, struct err *e)
{
	errno = sys;
	err_sys(e, "netlink");
	if (sys == EPERM || sys == EACCES)
		e->kind = ERR_DENIED;
	return -1;
}

struct answers {
	nl_fn *fn;		/* NULL: only acknowledgements are expected */
	void *arg;
	uint32_t first; /* sequence number of the first message of ours that may be answered */
	size_t left;		/* answers still to come; a dump: 1 until its end */
	int sys;		/* the first refusal */
	bool changed;		/* what is listed changed meanwhile: entries may be missing */
};

static void answer(struct answers *w, const struct nlmsghdr *h)
{
	const struct nlmsgerr *ack = NLMSG_DATA(h);

	if (h->nlmsg_seq < w->first)
		return;				/* of an earlier request that we gave up */
	w->changed = w->changed || (h->nlmsg_flags & NLM_F_DUMP_INTR);
	if (h->nlmsg_type == NLMSG_ERROR) {
		if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(*ack)) && ack->error && !w->sys)
			w->sys = -ack->error;
		/* a refusal ends it: a batch that is refused as a whole is answered once */
		w->left = w->sys ? 0 : w->left - 1;
	} else if (h->nlmsg_type == NLMSG_DONE) {
		w->left--;
	} else if (w->fn) {
		w->fn(w->arg, h->nlmsg_type, NLMSG_DATA(h), h->nlmsg_len - NLMSG_HDRLEN);
		if (!(h->nlmsg_flags & NLM_F_MULTI))
			w->left--;
	}
}

static int get(struct nl *s, struct answers *w, struct err *e)
{
	auto_free char *p = xmalloc(ANSWER_MAX);

	while (w->left > 0) {
		ssize_t n = recv(s->fd, p, ANSWER_MAX, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, "receive from netlink");
		for (const struct nlmsghdr *h = (const void *)p;
		     NLMSG_OK(h, (size_t)n) && w->left > 0; h = NLMSG_NEXT(h, n))
			answer(w, h);
	}
	if (w->changed && !w->sys)
		w->sys = EINTR;
	return w->sys ? refused(w->sys, e) : 0;
}

int nl_send(struct nl *s, struct nl_batch *b, struct err *e)
{
	struct answers w = { .first = s->seq, .left = b->n };
	int r = put(s, b, e);

	buf_reset(&b->b);
	b->n = 0;
	return r < 0 ? -1 : get(s, &w, e);
}

int nl_dump(struct nl *s, struct nl_batch *b, nl_fn *fn, void *arg, struct err *e)
{
	struct answers w = { .fn = fn, .arg = arg, .first = s->seq, .left = 1 };
	int r = put(s, b, e);

	buf_reset(&b->b);
	b->n = 0;
	return r < 0 ? -1 : get(s, &w, e);
}

const struct nlattr *nl_find(const void *p, size_t n, uint16_t type)
{
	const char *at = p;

	while (n >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)at;
		size_t step = NLA_ALIGN((size_t)a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > n)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
		if (step >= n)
			return NULL;
		at += step;
		n -= step;
	}
	return NULL;
}
