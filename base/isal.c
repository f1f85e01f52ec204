/* SPDX-License-Identifier: Apache-2.0 */
/* Loading ISA-L. */
#include "base/isal.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STREAM_STEPS 10u

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

/* The n-th address of the set: base and steps, in units of 64 KiB; each step's CRC-32C (no inversion) ends in 15 zero bits. */
static void *stream_address(unsigned n)
{
	static const uint32_t steps[STREAM_STEPS] = {
		0x11b05, 0x2360a, 0x46c14, 0x80ee3, 0x101dc6, 0x203b8c, 0x401740, 0x802e80, 0x1003d58, 0x2001ae8,
	};
	uintptr_t at = 0x10000000;

	for (unsigned i = 0; i < STREAM_STEPS; i++)
		if (n >> i & 1)
			at ^= steps[i];
	return (void *)(at << 16);
}

struct isal_zstream *isal_stream_new(void)
{
	void *p;

	for (unsigned n = 0; n < 1u << STREAM_STEPS; n++) {
		p = mmap(stream_address(n), sizeof(struct isal_zstream), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (p == stream_address(n))
			return p;
		if (p != MAP_FAILED)
			munmap(p, sizeof(struct isal_zstream));
	}
	/* No such address can be had on this kind of machine: what comes out is right all the same. */
	p = mmap(NULL, sizeof(struct isal_zstream), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		abort();	/* out of memory, STYLE 4 */
	return p;
}

void isal_stream_free(struct isal_zstream *z)
{
	if (z)
		munmap(z, sizeof(*z));
}
