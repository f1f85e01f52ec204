/* SPDX-License-Identifier: Apache-2.0 */
/* Random names for containers that got none: adjective_noun. */
#ifndef RUNTIME_CONTAINER_NAMES_H
#define RUNTIME_CONTAINER_NAMES_H

#include <stdint.h>

#define NAMES_MAX 40

/* The name that a random number stands for. Returns ret. */
const char *names_make(uint32_t random, char ret[static NAMES_MAX]);

#endif
