/* SPDX-License-Identifier: Apache-2.0 */
/* Loading ISA-L. */
#include "base/isal.h"

#include <dlfcn.h>

int isal_load(struct isal *ret, struct err *e)
{
	void *lib = dlopen("libisal.so.2", RTLD_NOW | RTLD_LOCAL);
	struct isal l = { .lib = lib };
	const struct { const char *name; void **to; } syms[] = {
		{ "isal_deflate_stateless_init", (void **)&l.deflate_init },
		{ "isal_deflate_stateless", (void **)&l.deflate },
		{ "crc32_gzip_refl", (void **)&l.crc32 },
		{ "isal_inflate_init", (void **)&l.inflate_init },
		{ "isal_inflate_reset", (void **)&l.inflate_reset },
		{ "isal_inflate", (void **)&l.inflate },
	};

	for (size_t i = 0; lib && i < countof(syms); i++) {
		*syms[i].to = dlsym(lib, syms[i].name);
		if (!*syms[i].to) {
			dlclose(lib);
			lib = NULL;
		}
	}
	if (!lib) {
		err_set(e, ERR_NOT_FOUND, "gzip needs the library libisal.so.2, which is not here");
		return err_hint(e, "install it (Debian's package is libisal2), or use --compression zstd");
	}
	*ret = l;
	return 0;
}

void isal_unload(struct isal *l)
{
	if (l->lib)
		dlclose(l->lib);
	l->lib = NULL;
}
