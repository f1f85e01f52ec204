/* SPDX-License-Identifier: Apache-2.0 */
/* What is not said is the image's, field by field, as in Docker. */
#include "engine/run_health.h"

#include "base/clock.h"
#include "runtime/container/jsontext.h"

static int duration(json_t *o, const char *key, const char *text, struct err *e)
{
	bool negative = text && *text == '-';
	int64_t ns;

	if (!text)
		return 0;
	if (!clock_parse_duration(str_of(text + negative), &ns))
		return err_set(e, ERR_USAGE, "invalid duration \"%s\": write it like 30s or 1m30s", text);
	if (ns && (negative || ns < 1000000))
		return err_set(e, ERR_USAGE, "%s in Healthcheck cannot be less than 1ms", key);
	if (ns)
		json_object_set_new(o, key, json_integer(ns));
	return 0;
}

static int retries(json_t *o, const char *text, struct err *e)
{
	bool negative = text && *text == '-';
	uint64_t n;

	if (!text)
		return 0;
	if (!str_to_u64(str_of(text + negative), 10, &n) || n > INT32_MAX)
		return err_set(e, ERR_USAGE, "--health-retries takes a number, not \"%s\"", text);
	if (negative && n)
		return err_set(e, ERR_USAGE, "Retries in Healthcheck cannot be negative");
	if (n)
		json_object_set_new(o, "Retries", json_integer((json_int_t)n));
	return 0;
}

static bool any(const struct run_health *h)
{
	return h->cmd || h->interval || h->timeout || h->retries || h->start_period || h->start_interval || h->on_failure;
}

static int on_failure(json_t *o, const char *text, struct err *e)
{
	static const char *const words[] = { "none", "kill", "stop", "restart" };

	for (size_t i = 0; text && i < countof(words); i++)
		if (strcmp(text, words[i]) == 0) {
			json_object_set_new(o, "OnFailure", json_string(text));
			return 0;
		}
	return text ? err_set(e, ERR_USAGE, "--health-on-failure is none, kill, stop or restart, not \"%s\"", text) : 0;
}

int run_health_json(const struct run_health *h, const json_t *image, json_t **ret, struct err *e)
{
	json_t *o;

	*ret = NULL;
	if (h->none && any(h))
		return err_set(e, ERR_USAGE, "--no-healthcheck conflicts with --health-* options");
	if (h->none) {
		*ret = json_pack("{s:[s]}", "Test", "NONE");
		return 0;
	}
	o = image ? json_deep_copy(image) : json_object();
	if (h->cmd && *h->cmd)
		json_object_set_new(o, "Test", json_pack("[s, o]", "CMD-SHELL", jsontext(h->cmd)));
	if (h->exact)
		json_object_set_new(o, "Exact", json_true());
	if (duration(o, "Interval", h->interval, e) < 0 || duration(o, "Timeout", h->timeout, e) < 0 ||
	    duration(o, "StartPeriod", h->start_period, e) < 0 || duration(o, "StartInterval", h->start_interval, e) < 0 ||
	    retries(o, h->retries, e) < 0 || on_failure(o, h->on_failure, e) < 0) {
		json_decref(o);
		return -1;
	}
	if (json_object_size(o))
		*ret = o;
	else
		json_decref(o);
	return 0;
}
