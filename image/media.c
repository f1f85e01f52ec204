/* SPDX-License-Identifier: Apache-2.0 */
/* The table of media types. */
#include "image/media.h"

static const struct media table[] = {
	{ MEDIA_OCI_INDEX, MEDIA_INDEX, false, MEDIA_PLAIN, false },
	{ MEDIA_OCI_MANIFEST, MEDIA_MANIFEST, false, MEDIA_PLAIN, false },
	{ MEDIA_OCI_CONFIG, MEDIA_CONFIG, false, MEDIA_PLAIN, false },
	{ MEDIA_OCI_LAYER, MEDIA_LAYER, false, MEDIA_PLAIN, false },
	{ MEDIA_OCI_LAYER "+gzip", MEDIA_LAYER, false, MEDIA_GZIP, false },
	{ MEDIA_OCI_LAYER "+zstd", MEDIA_LAYER, false, MEDIA_ZSTD, false },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar", MEDIA_LAYER, false, MEDIA_PLAIN, true },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", MEDIA_LAYER, false, MEDIA_GZIP, true },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", MEDIA_LAYER, false, MEDIA_ZSTD, true },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", MEDIA_INDEX, true, MEDIA_PLAIN, false },
	{ "application/vnd.docker.distribution.manifest.v2+json", MEDIA_MANIFEST, true, MEDIA_PLAIN, false },
	{ "application/vnd.docker.container.image.v1+json", MEDIA_CONFIG, true, MEDIA_PLAIN, false },
	{ "application/vnd.docker.image.rootfs.diff.tar", MEDIA_LAYER, true, MEDIA_PLAIN, false },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", MEDIA_LAYER, true, MEDIA_GZIP, false },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar", MEDIA_LAYER, true, MEDIA_PLAIN, true },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", MEDIA_LAYER, true, MEDIA_GZIP, true },
	{ "application/vnd.docker.distribution.manifest.v1+json", MEDIA_SCHEMA1, true, MEDIA_PLAIN, false },
	{ "application/vnd.docker.distribution.manifest.v1+prettyjws", MEDIA_SCHEMA1, true, MEDIA_PLAIN, false },
};

static const struct media other = { "", MEDIA_OTHER, false, MEDIA_PLAIN, false };

const struct media *media_find(struct str type)
{
	struct str name = str_trim(str_cut(&type, ';'));

	for (size_t i = 0; i < countof(table); i++)
		if (str_is_nocase(name, table[i].type))
			return &table[i];
	return &other;
}

const char *media_twin(const struct media *m)
{
	for (size_t i = 0; i < countof(table); i++)
		if (table[i].docker != m->docker && table[i].kind == m->kind && table[i].zip == m->zip &&
		    table[i].foreign == m->foreign)
			return table[i].type;
	return NULL;
}
