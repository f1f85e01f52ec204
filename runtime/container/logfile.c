/* SPDX-License-Identifier: Apache-2.0 */
/* Writing and rotating a container's log. */
#include "runtime/container/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"

#define DEFAULT_SIZE ((uint64_t)10 << 20)
#define DEFAULT_FILES 3
#define KEEP ((size_t)64 << 10)		/* bytes of the buffer that are not given back between writes */

struct logfile {
	int dir, fd;			/* fd -1: not open */
	char *id, *attrs;
	struct logfile_options opt;
	uint64_t size;			/* of the present file */
	struct buf part[2];		/* of each stream: a line that has not ended */
	struct buf out;
};

static int set_option(struct logfile_options *o, const char *key, const char *value, struct err *e)
{
	static const char *const attrs[] = { "labels", "env", "tag" };
	uint64_t n;

	for (size_t i = 0; i < countof(attrs); i++)
		if (strcmp(key, attrs[i]) == 0)
			return 0;	/* logfile_attrs() */
	if (strcmp(key, "max-size") == 0) {
		if (strcmp(value, "-1") == 0)
			o->max_size = 0;
		else if (!str_to_bytes(str_of(value), &o->max_size) || o->max_size == 0)
			return err_set(e, ERR_USAGE, "invalid value for max-size: %s", value);
		return 0;
	}
	if (strcmp(key, "max-file") == 0) {
		if (!str_to_u64(str_of(value), 10, &n) || n < 1 || n > 1000)
			return err_set(e, ERR_USAGE, "max-file cannot be less than 1");
		o->max_files = (unsigned)n;
		return 0;
	}
	err_set(e, ERR_USAGE, "unknown log opt '%s' for json-file log driver", key);
	return err_hint(e, "there are max-size, max-file, labels, env and tag");
}

int logfile_options(const json_t *log_config, struct logfile_options *ret, struct err *e)
{
	const char *type = json_string_value(json_object_get(log_config, "Type")), *key;
	struct logfile_options o = { .max_size = DEFAULT_SIZE, .max_files = DEFAULT_FILES };
	json_t *config = json_object_get(log_config, "Config"), *value;

	o.none = type && strcmp(type, "none") == 0;
	if (type && *type && !o.none && strcmp(type, "json-file") != 0) {
		err_set(e, ERR_USAGE, "logger: no log driver named '%s' is registered", type);
		return err_hint(e, "there are json-file and none");
	}
	json_object_foreach(config, key, value) {
		if (o.none)
			return err_set(e, ERR_USAGE, "unknown log opt '%s' for none log driver", key);
		if (set_option(&o, key, json_string_value(value), e) < 0)
			return -1;
	}
	*ret = o;
	return 0;
}

static void attrs_labels(const json_t *record, const char *keys, json_t *ret)
{
	const json_t *labels = json_object_get(json_object_get(record, "Config"), "Labels");

	for (struct str rest = str_of(keys); rest.p && rest.n;) {
		struct str word = str_cut(&rest, ',');
		auto_free char *key = str_dup(word);

		if (json_object_get(labels, key))
			json_object_set(ret, key, json_object_get(labels, key));
	}
}

static void attrs_env(const json_t *record, const char *keys, json_t *ret)
{
	const json_t *env = json_object_get(json_object_get(record, "Config"), "Env");

	for (struct str rest = str_of(keys); rest.p && rest.n;) {
		struct str word = str_cut(&rest, ',');
		auto_free char *key = str_dup(word);

		for (size_t i = 0; i < json_array_size(env); i++) {
			struct str value = str_of(json_string_value(json_array_get(env, i))), name = str_cut(&value, '=');

			if (value.p && str_eq(name, word))
				json_object_set_new(ret, key, json_stringn(value.p, value.n));
		}
	}
}

char *logfile_attrs(const json_t *record)
{
	const json_t *log = json_object_get(json_object_get(json_object_get(record, "HostConfig"), "LogConfig"), "Config");
	const json_t *tag = json_object_get(log, "tag");
	json_t *o = json_object();
	char *text = NULL;

	attrs_labels(record, json_string_value(json_object_get(log, "labels")), o);
	attrs_env(record, json_string_value(json_object_get(log, "env")), o);
	if (tag)
		json_object_set(o, "tag", (json_t *)tag);
	if (json_object_size(o))
		text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	return text;
}

char *logfile_name(const char *id, unsigned n)
{
	return n ? xasprintf("%s-json.log.%u", id, n) : xasprintf("%s-json.log", id);
}

void logfile_new(int dir, const char *id, const struct logfile_options *o, const char *attrs, struct logfile **ret)
{
	struct logfile *l = xcalloc(1, sizeof(*l));

	l->dir = dir;
	l->fd = -1;
	l->id = xstrdup(id);
	l->attrs = attrs ? xstrdup(attrs) : NULL;
	l->opt = *o;
	*ret = l;
}

static int file_open(struct logfile *l)
{
	auto_free char *name = logfile_name(l->id, 0);
	struct stat st;

	if (l->fd >= 0)
		return 0;
	l->fd = openat(l->dir, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (l->fd < 0)
		return -1;
	l->size = fstat(l->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	return 0;
}

static void rotate(struct logfile *l)
{
	for (unsigned i = l->opt.max_files; i-- > 0;) {
		auto_free char *from = logfile_name(l->id, i), *to = logfile_name(l->id, i + 1);

		if (i + 1 == l->opt.max_files)
			(void)unlinkat(l->dir, from, 0);
		else
			(void)renameat(l->dir, from, l->dir, to);
	}
	close(take_fd(&l->fd));
}

static void out_write(struct logfile *l)
{
	auto_err struct err ignored = { 0 };

	if (l->out.n && file_open(l) == 0 && l->opt.max_size && l->size && l->size + l->out.n > l->opt.max_size)
		rotate(l);
	if (l->out.n && file_open(l) == 0) {
		l->size += l->out.n;
		(void)!fs_write_all(l->fd, l->out.p, l->out.n, &ignored);
	}
	if (l->out.cap > KEEP)
		buf_done(&l->out);
	buf_reset(&l->out);
}

static void line_put(struct logfile *l, int stream, struct str text, const char *time)
{
	buf_puts(&l->out, "{\"log\":");
	buf_json_bytes(&l->out, text);
	buf_printf(&l->out, ",\"stream\":\"%s\"", stream == 2 ? "stderr" : "stdout");
	if (l->attrs)
		buf_printf(&l->out, ",\"attrs\":%s", l->attrs);
	buf_printf(&l->out, ",\"time\":\"%s\"}\n", time);
}

static void part_end(struct logfile *l, int stream, const char *time)
{
	struct buf *p = &l->part[stream - 1];

	if (p->n)
		line_put(l, stream, buf_view(p), time);
	buf_reset(p);
}

void logfile_write(struct logfile *l, int stream, struct str bytes)
{
	struct buf *p = &l->part[stream - 1];
	char time[CLOCK_TEXT_MAX];

	if (l->opt.none)
		return;
	clock_rfc3339(clock_now_ns(), time);
	while (bytes.n) {
		const char *nl = memchr(bytes.p, '\n', bytes.n);
		size_t n = MIN(nl ? (size_t)(nl - bytes.p) + 1 : bytes.n, LOGFILE_LINE - p->n);
		struct str piece = str_sub(bytes, 0, n);

		bytes = str_sub(bytes, n, bytes.n);
		if (l->opt.max_size && l->size + l->out.n >= l->opt.max_size)
			out_write(l);
		if (p->n == 0 && piece.p[n - 1] == '\n') {
			line_put(l, stream, piece, time);
			continue;
		}
		buf_str(p, piece);
		if (p->n == LOGFILE_LINE || p->p[p->n - 1] == '\n')
			part_end(l, stream, time);
	}
	out_write(l);
}

void logfile_flush(struct logfile *l)
{
	char time[CLOCK_TEXT_MAX];

	clock_rfc3339(clock_now_ns(), time);
	part_end(l, 1, time);
	part_end(l, 2, time);
	out_write(l);
}

void logfile_free(struct logfile *l)
{
	if (!l)
		return;
	buf_done(&l->part[0]);
	buf_done(&l->part[1]);
	buf_done(&l->out);
	if (l->fd >= 0)
		close(l->fd);
	free(l->id);
	free(l->attrs);
	free(l);
}
