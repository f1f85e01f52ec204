/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of exchanges. A line is one write, so that threads and processes may share the file. */
#include "registry/trace.h"

#include <fcntl.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/fs.h"
#include "registry/http_int.h"

struct http_trace {
	pthread_mutex_t lock;
	int fd;
};

int trace_open(const char *path, struct http_trace **ret, struct err *e)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	struct http_trace *t;

	if (fd < 0)
		return err_sys(e, "open %s", path);
	t = xcalloc(1, sizeof(*t));
	t->fd = take_fd(&fd);
	pthread_mutex_init(&t->lock, NULL);
	*ret = t;
	return 0;
}

void trace_free(struct http_trace *t)
{
	if (!t)
		return;
	close(t->fd);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static bool is_one_of(struct str name, const char *const *names)
{
	for (; *names; names++)
		if (str_is_nocase(name, *names))
			return true;
	return false;
}

/* "name: value" as [name, value] with what must not be seen taken out. */
static void add_header(json_t *list, const char *line, bool secret)
{
	static const char *const hidden[] = { "authorization", "proxy-authorization", "cookie", "set-cookie", NULL };
	static const char *const urls[] = { "location", "link", NULL };
	struct str value = str_of(line), name = str_cut(&value, ':');
	struct str kind = str_trim(value);
	auto_buf struct buf b = { 0 };

	value = kind;
	if (secret || is_one_of(name, hidden)) {
		ptrdiff_t scheme = str_is_nocase(name, "authorization") ? str_find(value, ' ') : -1;

		buf_str(&b, str_sub(value, 0, (size_t)(scheme + 1)));
		buf_puts(&b, "***");
	} else if (is_one_of(name, urls)) {
		url_redact(&b, value);
	} else {
		buf_str(&b, value);
	}
	json_array_append_new(list, json_pack("[s%, s%]", name.p, name.n, buf_view(&b).p, b.n));
}

static json_t *sent_headers(const struct hop *x)
{
	json_t *list = json_array();

	for (size_t i = 0; x->r->headers && i < x->r->headers->n; i++)
		add_header(list, x->r->headers->v[i], false);
	for (size_t i = 0; x->secret && x->r->secret && i < x->r->secret->n; i++)
		add_header(list, x->r->secret->v[i], true);
	return list;
}

static json_t *got_headers(const struct hop *x)
{
	json_t *list = json_array();

	for (size_t i = 0; i < x->a->headers.n; i++)
		add_header(list, x->a->headers.v[i], false);
	return list;
}

void trace_hop(struct http_trace *t, const struct hop *x, int64_t began_ns, const struct err *failed)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf url = { 0 };
	auto_free char *text = NULL, *line = NULL;
	char when[CLOCK_TEXT_MAX];
	int64_t took = clock_mono_ns() - began_ns;
	json_t *o = json_object();

	url_redact(&url, str_of(x->url->text));
	json_object_set_new(o, "time", json_string(clock_rfc3339(clock_now_ns() - took, when)));
	json_object_set_new(o, "conn", json_integer(x->slot->number));
	json_object_set_new(o, "method", json_string(x->method));
	json_object_set_new(o, "url", json_stringn(url.p, url.n));
	json_object_set_new(o, "headers", sent_headers(x));
	json_object_set_new(o, "bytes_in", json_integer((json_int_t)x->sent));
	json_object_set_new(o, "status", x->a->status ? json_integer(x->a->status) : json_null());
	json_object_set_new(o, "answer", got_headers(x));
	json_object_set_new(o, "bytes_out", json_integer((json_int_t)x->a->received));
	json_object_set_new(o, "seconds", json_real((double)took / 1e9));
	if (failed)
		json_object_set_new(o, "error", json_string(err_text(failed)));
	text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(6));
	json_decref(o);
	if (!text)
		return;
	line = xasprintf("%s\n", text);
	auto_lock pthread_mutex_t *held = lock_hold(&t->lock);
	(void)!fs_write_all(t->fd, line, strlen(line), &ignored);	/* a full disk must not end a pull */
}
