/* SPDX-License-Identifier: Apache-2.0 */
/* Another container, seen from a monitor (which has no database): its process, and what it says of itself. */
#ifndef RUNTIME_CONTAINER_JOINED_H
#define RUNTIME_CONTAINER_JOINED_H

#include "runtime/sandbox/join.h"

/* Process 1 of the container id; process_close() it. Errors: ERR_CONFLICT "container x is not running", ERR_SYS. */
NODISCARD int joined_process(const char *store, const char *id, struct process *ret, struct err *e);
/* HostConfig.IpcMode; owned, "" if it cannot be read. */
char *joined_ipc_mode(const char *store, const char *id);

#endif
