/* SPDX-License-Identifier: Apache-2.0 */
/* For runtime/container/cdi alone: hooks by name (runtime-spec, config.md "POSIX-platform Hooks"). */
#ifndef RUNTIME_CONTAINER_CDI_FIELDS_H
#define RUNTIME_CONTAINER_CDI_FIELDS_H

#include "runtime/sandbox/spec.h"

static const struct { const char *name; enum spec_hook_when when; } cdi_hooks[] = {
	{ "prestart", SPEC_HOOK_PRESTART }, { "createRuntime", SPEC_HOOK_CREATE_RUNTIME },
	{ "createContainer", SPEC_HOOK_CREATE_CONTAINER }, { "startContainer", SPEC_HOOK_START_CONTAINER },
	{ "poststart", SPEC_HOOK_POSTSTART }, { "poststop", SPEC_HOOK_POSTSTOP },
};

#endif
