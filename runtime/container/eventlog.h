/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has happened, for "tare events": events.jsonl in the store, one JSON object a line in the form of Docker's API,
 * appended with one write each. At 4 MiB it becomes events.jsonl.1, and the one before is gone.
 */
#ifndef RUNTIME_CONTAINER_EVENTLOG_H
#define RUNTIME_CONTAINER_EVENTLOG_H

#include <jansson.h>

struct container;
struct store;

#define EVENTLOG_NAME "events.jsonl"

/* type "container", "network", "volume", "image"; attrs: an object, becomes the log's, or NULL. What cannot be written
 * is lost: nothing depends on it. */
void event_log_add(struct store *s, const char *type, const char *action, const char *id, json_t *attrs);
/* Of a container: its name, image and labels are added to attrs. */
void event_log_container(const struct container *c, const char *action, json_t *attrs);

#endif
