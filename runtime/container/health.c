/* SPDX-License-Identifier: Apache-2.0 */
/* Counting as dockerd does; times of our own until the first success. */
#include "runtime/container/health.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/fs.h"
#include "runtime/container/container.h"
#include "runtime/container/jsontext.h"
#include "runtime/container/record.h"

#define MS ((int64_t)1000000)
#define SECOND (1000 * MS)
#define FIRST_BACKOFF (50 * MS)
#define FILE_MAX ((size_t)1 << 20)

static const char *const words[] = { "starting", "healthy", "unhealthy" };

const char *health_word(enum health_status s)
{
	return words[s];
}

static int64_t number(const json_t *o, const char *key, int64_t otherwise)
{
	int64_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? n : otherwise;
}

/* {"CMD", ...}, {"CMD-SHELL", text}; false for {}, {"NONE"} and what is neither. */
static bool load_test(const json_t *test, const json_t *shell, struct strv *argv)
{
	auto_free char *kind = jsontext_bytes(json_array_get(test, 0));

	if (strcmp(kind, "CMD") == 0) {
		for (size_t i = 1; i < json_array_size(test); i++)
			strv_take(argv, jsontext_bytes(json_array_get(test, i)));
		return argv->n > 0;
	}
	if (strcmp(kind, "CMD-SHELL") != 0 || json_array_size(test) < 2)
		return false;
	jsontext_strv(shell, argv);
	if (argv->n == 0) {
		strv_add(argv, "/bin/sh");
		strv_add(argv, "-c");
	}
	strv_take(argv, jsontext_bytes(json_array_get(test, 1)));
	return true;
}

bool health_load(const json_t *record, int64_t started, struct health *ret)
{
	const json_t *config = json_object_get(record, "Config"), *o = json_object_get(config, "Healthcheck");

	*ret = (struct health){ .started = started, .backoff = FIRST_BACKOFF };
	if (!load_test(json_object_get(o, "Test"), json_object_get(config, "Shell"), &ret->argv)) {
		strv_done(&ret->argv);
		return false;
	}
	ret->interval = number(o, "Interval", 30 * SECOND);
	ret->timeout = number(o, "Timeout", 30 * SECOND);
	ret->start_period = number(o, "StartPeriod", 0);
	ret->start_interval = number(o, "StartInterval", 5 * SECOND);
	ret->retries = number(o, "Retries", 3);
	ret->exact = json_is_true(json_object_get(o, "Exact"));
	ret->on_failure = jsontext_bytes(json_object_get(o, "OnFailure"));
	ret->log = json_array();
	return true;
}

void health_done(struct health *h)
{
	strv_done(&h->argv);
	free(h->on_failure);
	json_decref(h->log);
	*h = (struct health){ 0 };
}

/* Docker's distance to the next probe. */
static int64_t distance(const struct health *h, int64_t now)
{
	bool early = h->status == HEALTH_STARTING && now - h->started < h->start_period;

	return early ? h->start_interval : h->interval;
}

int64_t health_first(struct health *h)
{
	int64_t d = distance(h, h->started);

	h->due = h->started + d;
	return h->exact ? d : 0;
}

static void log_add(struct health *h, int64_t start, int64_t end, int code, struct str output)
{
	char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];
	auto_free char *text = str_dup(str_sub(output, 0, HEALTH_OUTPUT_MAX));

	if (json_array_size(h->log) >= HEALTH_LOG_MAX)
		json_array_remove(h->log, 0);
	json_array_append_new(h->log, json_pack("{s:s, s:s, s:i, s:o}", "Start", clock_rfc3339(start, from), "End",
						clock_rfc3339(end, to), "ExitCode", code, "Output", jsontext(text)));
}

bool health_result(struct health *h, int64_t start, int64_t end, int code, struct str output)
{
	enum health_status before = h->status;

	log_add(h, start, end, code, output);
	if (code == 0) {
		h->status = HEALTH_HEALTHY;
		h->streak = 0;
		h->passed = true;
		return before != h->status;
	}
	if (!h->passed && !h->exact && start < h->due)
		return false;
	h->due = end + distance(h, end);
	if (h->status == HEALTH_STARTING && start - h->started < h->start_period)
		return false;
	if (++h->streak >= h->retries)
		h->status = HEALTH_UNHEALTHY;
	return before != h->status;
}

int64_t health_next(struct health *h, int64_t now)
{
	int64_t delay = h->backoff;

	if (h->passed || h->exact)
		return distance(h, now);
	h->backoff = MIN(2 * h->backoff, SECOND);
	return MIN(delay, distance(h, now));
}

static json_t *to_json(const struct health *h)
{
	return json_pack("{s:s, s:I, s:O}", "Status", words[h->status], "FailingStreak", (json_int_t)h->streak, "Log", h->log);
}

int health_write(const struct health *h, int dir, struct err *e)
{
	json_t *o = to_json(h);
	auto_free char *text = json_dumps(o, JSON_INDENT(2));

	json_decref(o);
	return fs_replace(dir, "health.json", text, strlen(text), 0600, false, e);
}

json_t *container_health(const struct container *c)
{
	auto_err struct err ignored = { 0 };
	auto_buf struct buf b = { 0 };
	struct health h;
	json_t *o = NULL;

	if (!health_load(c->config, 0, &h))
		return NULL;
	if (c->state.started_ns && record_read(c, "health.json", FILE_MAX, &b, &ignored) == 0)
		o = json_loadb(b.p, b.n, 0, NULL);
	if (!json_is_string(json_object_get(o, "Status"))) {
		json_decref(o);
		o = to_json(&h);
	}
	health_done(&h);
	return o;
}

const char *container_health_word(const struct container *c)
{
	json_t *o = container_health(c);
	const char *status = json_string_value(json_object_get(o, "Status")), *ret = o ? words[0] : "none";

	for (size_t i = 0; status && i < countof(words); i++)
		if (strcmp(status, words[i]) == 0)
			ret = words[i];
	json_decref(o);
	return ret;
}
