/* SPDX-License-Identifier: Apache-2.0 */
/* What killed monitors leave on the host. The kernel takes back most of it with their descriptors; the rest is here. */
#ifndef ENGINE_SWEEP_H
#define ENGINE_SWEEP_H

struct store;

/* Run directories, endpoints, bridges, rules in foreign tables, cgroups that nobody holds. Verbs that list or remove
 * containers or networks call it: where nothing is left it costs two short directories. Never fails. */
void engine_sweep(void);
/* And looks everywhere, also for records that nobody needs: half made ones, half removed ones, those of --rm, names of none. */
void engine_sweep_all(struct store *s);

#endif
