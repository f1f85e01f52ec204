/* SPDX-License-Identifier: Apache-2.0 */
/* Mount points that a root lacked: made before a sandbox, removed after it without trace. */
#ifndef RUNTIME_SANDBOX_STUB_H
#define RUNTIME_SANDBOX_STUB_H

#include <stdbool.h>
#include <stddef.h>

struct stub;

struct stubs {			/* { 0 } is a valid empty one */
	struct stub *v;
	size_t n;
};

/* Make path in root if it is missing (its parents too, which stay); the parent's times are kept. What
 * cannot be made is left to the init program, which says why. */
void stubs_make(struct stubs *s, int root, const char *path, bool dir);
/* Remove those that are still empty, last made first, and give parents back the times they had. */
void stubs_remove(struct stubs *s);

#endif
