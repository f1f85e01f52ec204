/* SPDX-License-Identifier: Apache-2.0 */
/* In a container's monitor: run its health check when it is due. */
#ifndef ENGINE_HEALTH_H
#define ENGINE_HEALTH_H

struct monitor;
struct probe;
struct sandbox_host;

/* Process 1 runs. NULL: the container has no check. host: the caller's, until health_stop(). */
struct probe *probe_begin(struct monitor *m, struct sandbox_host *host);
void probe_end(struct probe *p);	/* a probe that is under way is killed; NULL is fine */

#endif
