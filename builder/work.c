/* SPDX-License-Identifier: Apache-2.0 */
/* What the RUN steps of a build share: the sandbox host, networks, resolv.conf. */
#include "builder/work.h"

#include "runtime/network/net.h"
#include "runtime/network/resolv.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/sandbox/userns.h"

static int make_nets(struct work *w, struct err *e)
{
	struct userns u;
	auto_free char *dir = NULL;
	auto_err struct err why = { 0 };

	if (userns_info(&u, e) < 0 || userns_run_dir(&u, &dir, e) < 0)
		return -1;
	net_host_new(dir, &w->nets);
	w->host_net = !net_can_bridge(&why);
	if (w->host_net)
		event_warn(w->job->sink, "RUN steps share the host's network: %s", err_text(&why));
	if (resolv_host_text(true, NULL, &w->resolv_own, e) < 0 || resolv_host_text(false, NULL, &w->resolv_host, e) < 0)
		return -1;
	buf_puts(&w->resolv_own, "");
	buf_puts(&w->resolv_host, "");
	return 0;
}

int work_run_host(struct work *w, struct sandbox_host **ret, struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&w->graph->lock);

	if (!w->nets && make_nets(w, e) < 0)
		return -1;
	if (!w->sandboxes && sandbox_host_new(&w->sandboxes, e) < 0)
		return -1;
	*ret = w->sandboxes;
	return 0;
}

void work_done(struct work *w)
{
	sandbox_host_free(w->sandboxes);
	net_host_free(w->nets);
	buf_done(&w->resolv_own);
	buf_done(&w->resolv_host);
}
