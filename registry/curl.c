/* SPDX-License-Identifier: Apache-2.0 */
/* Loads libcurl by name. Its own copy of OpenSSL comes along; ours is linked in and not seen by it. */
#include "registry/curl.h"

#include <dlfcn.h>
#include <string.h>

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
#define SYMBOL(f) { "curl_" #f, offsetof(struct curl_api, f) }
	SYMBOL(global_init), SYMBOL(version_info), SYMBOL(easy_init), SYMBOL(easy_cleanup), SYMBOL(easy_reset),
	SYMBOL(easy_setopt), SYMBOL(easy_getinfo), SYMBOL(easy_strerror), SYMBOL(multi_init),
	SYMBOL(multi_cleanup), SYMBOL(multi_setopt), SYMBOL(multi_add_handle), SYMBOL(multi_remove_handle),
	SYMBOL(multi_perform), SYMBOL(multi_poll), SYMBOL(multi_info_read), SYMBOL(slist_append),
	SYMBOL(slist_free_all),
};

#define CURL_MIN 0x075500	/* 7.85: protocols by name; 7.80 told us the peer before the request is sent */

int curl_load(struct curl_api *ret, struct err *e)
{
	static const char *const names[] = { "libcurl.so.4", "libcurl-gnutls.so.4" };
	const curl_version_info_data *v;
	void *lib = NULL;

	for (size_t i = 0; i < countof(names) && !lib; i++)
		lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		err_set(e, ERR_SYS, "libcurl.so.4 cannot be loaded: %s", dlerror());
		return err_hint(e, "registries are reached by libcurl: install the package libcurl4");
	}
	for (size_t i = 0; i < countof(symbols); i++) {
		void *f = dlsym(lib, symbols[i].name);

		if (!f)
			return err_set(e, ERR_SYS, "libcurl.so.4 has no %s: it is too old", symbols[i].name);
		memcpy((char *)ret + symbols[i].offset, &f, sizeof(f));
	}
	if (ret->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, ERR_SYS, "libcurl cannot be initialized");
	v = ret->version_info(CURLVERSION_NOW);
	if (v->version_num < CURL_MIN)
		return err_set(e, ERR_SYS, "libcurl %s is too old: at least 7.85 is needed", v->version);
	return 0;
}
