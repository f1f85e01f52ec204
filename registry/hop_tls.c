/* SPDX-License-Identifier: Apache-2.0 */
/* TLS of one hop: which certificates are trusted, which is shown. */
#include <fcntl.h>

#include "base/fs.h"
#include "registry/http_int.h"

#define BUNDLE_MAX ((size_t)16 << 20)

#define SET(option, value) x->h->api.easy_setopt(x->slot->easy, (option), (value))

/* The system's authorities and those of this host, as one text: libcurl takes one file or one text. */
static void set_bundle(struct hop *x)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf all = { .max = 2 * BUNDLE_MAX };
	struct curl_blob blob = { .flags = CURL_BLOB_COPY };

	if (x->h->ca_file && *x->h->ca_file && fs_read(AT_FDCWD, x->h->ca_file, BUNDLE_MAX, &all, &ignored) < 0)
		buf_reset(&all);	/* no system's authorities: only this host's own */
	buf_putc(&all, '\n');
	buf_puts(&all, x->tls->ca);
	blob.data = all.p;
	blob.len = all.n;
	SET(CURLOPT_CAINFO_BLOB, &blob);
}

void hop_tls(struct hop *x)
{
	SET(CURLOPT_CAINFO, x->h->ca_file);
	SET(CURLOPT_CAPATH, x->h->ca_dir);
	if (!x->tls)
		return;
	if (x->tls->insecure) {
		SET(CURLOPT_SSL_VERIFYPEER, 0L);
		SET(CURLOPT_SSL_VERIFYHOST, 0L);
	} else if (x->tls->ca) {
		set_bundle(x);
	}
	if (x->tls->cert)
		SET(CURLOPT_SSLCERT, x->tls->cert);
	if (x->tls->key)
		SET(CURLOPT_SSLKEY, x->tls->key);
}
