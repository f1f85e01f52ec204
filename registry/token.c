/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of tokens. */
#include "registry/token.h"

#include <time.h>

enum token_state { TOKEN_PENDING, TOKEN_GOOD, TOKEN_FAILED };

struct token {
	struct token *next;
	enum token_state state;
	char *key, *text;
	struct scopes scopes;
	int64_t expires;
	struct err e;		/* of TOKEN_FAILED */
	int waiting;		/* threads that look at it */
};

struct tokens {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct token *first;
};

struct tokens *tokens_new(void)
{
	struct tokens *t = xcalloc(1, sizeof(*t));

	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	return t;
}

static void token_free(struct token *k)
{
	if (k->text)
		explicit_bzero(k->text, strlen(k->text));
	free(k->text);
	free(k->key);
	scopes_done(&k->scopes);
	err_clear(&k->e);
	free(k);
}

void tokens_free(struct tokens *t)
{
	struct token *k;

	if (!t)
		return;
	while ((k = t->first)) {
		t->first = k->next;
		token_free(k);
	}
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* What is over: expired, or failed with nobody left who waits for the reason. t->lock held. */
static void sweep(struct tokens *t, int64_t now)
{
	for (struct token **at = &t->first, *k; (k = *at);) {
		if (k->waiting == 0 && ((k->state == TOKEN_GOOD && k->expires <= now) || k->state == TOKEN_FAILED)) {
			*at = k->next;
			token_free(k);
		} else {
			at = &k->next;
		}
	}
}

static struct token *find(struct tokens *t, const char *key, const struct scopes *want, int64_t now)
{
	for (struct token *k = t->first; k; k = k->next)
		if ((k->state == TOKEN_PENDING || (k->state == TOKEN_GOOD && k->expires > now)) &&
		    strcmp(k->key, key) == 0 && scopes_cover(&k->scopes, want))
			return k;
	return NULL;
}

static void add_pending(struct tokens *t, const char *key, const struct scopes *want)
{
	struct token *k = xcalloc(1, sizeof(*k));

	k->key = xstrdup(key);
	scopes_copy(&k->scopes, want);
	k->next = t->first;
	t->first = k;
}

/* Until k is no longer pending; a cancelled job is noticed within a moment. t->lock held. */
static int wait_for(struct job *j, struct tokens *t, struct token *k, struct err *e)
{
	int r = 0;

	k->waiting++;
	while (r == 0 && k->state == TOKEN_PENDING) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 50000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&t->changed, &t->lock, &until);
		r = job_check(j, e);
	}
	k->waiting--;
	if (r == 0 && k->state == TOKEN_FAILED) {
		err_set(e, k->e.kind, "%s", err_text(&k->e));
		r = err_hint(e, k->e.hint);
	}
	return r;
}

int token_take(struct job *j, struct tokens *t, const char *key, const struct scopes *want, int64_t now, char **ret,
	       struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&t->lock);
	struct token *k;

	sweep(t, now);
	k = find(t, key, want, now);
	if (!k) {
		add_pending(t, key, want);
		return 0;
	}
	if (wait_for(j, t, k, e) < 0)
		return -1;
	*ret = xstrdup(k->text);
	return 1;
}

/* The pending entry that token_take() left for us. */
static struct token *mine(struct tokens *t, const char *key, const struct scopes *want)
{
	for (struct token *k = t->first; k; k = k->next)
		if (k->state == TOKEN_PENDING && strcmp(k->key, key) == 0 && scopes_cover(&k->scopes, want) &&
		    scopes_cover(want, &k->scopes))
			return k;
	return NULL;
}

void token_put(struct tokens *t, const char *key, const struct scopes *want, const char *text, uint64_t life_s, int64_t now)
{
	auto_lock pthread_mutex_t *held = lock_hold(&t->lock);
	struct token *k = mine(t, key, want);
	int64_t life = (int64_t)MIN(life_s ? life_s : TOKEN_USUAL_S, 86400) * 1000000000;

	if (!k)
		return;
	k->text = xstrdup(text);
	k->expires = now + life - life / 10;
	k->state = TOKEN_GOOD;
	pthread_cond_broadcast(&t->changed);
}

void token_fail(struct tokens *t, const char *key, const struct scopes *want, const struct err *e)
{
	auto_lock pthread_mutex_t *held = lock_hold(&t->lock);
	struct token *k = mine(t, key, want);

	if (!k)
		return;
	err_set(&k->e, e->kind, "%s", err_text(e));
	k->e.hint = e->hint;
	k->state = TOKEN_FAILED;
	pthread_cond_broadcast(&t->changed);
}

void token_drop(struct tokens *t, const char *text)
{
	auto_lock pthread_mutex_t *held = lock_hold(&t->lock);

	for (struct token *k = t->first; k; k = k->next)
		if (k->state == TOKEN_GOOD && strcmp(k->text, text) == 0)
			k->expires = INT64_MIN;
}
