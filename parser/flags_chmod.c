/* SPDX-License-Identifier: Apache-2.0 */
/* --chmod: octal, or the grammar of BSD's setmode(3), compiled into steps; umask 0. */
#include <sys/stat.h>

#include "parser/flags.h"

#define ALL_BITS (S_ISUID | S_ISGID | S_IRWXU | S_IRWXG | S_IRWXO)

struct chmod_reader {
	struct str s;
	size_t i;
	struct chmod_spec *spec;
	mode_t who;		/* 0: none was given */
	char op;
	bool assigned;		/* "=": the old bits were cleared */
};

static char peek(const struct chmod_reader *r)
{
	return r->i < r->s.n ? r->s.p[r->i] : '\0';
}

static bool step_add(struct chmod_reader *r, struct chmod_step step)
{
	if (r->spec->n == CHMOD_STEPS)
		return false;
	r->spec->steps[r->spec->n++] = step;
	return true;
}

static void take_who(struct chmod_reader *r)
{
	for (r->who = 0;; r->i++)
		switch (peek(r)) {
		case 'a': r->who |= ALL_BITS; break;
		case 'u': r->who |= S_ISUID | S_IRWXU; break;
		case 'g': r->who |= S_ISGID | S_IRWXG; break;
		case 'o': r->who |= S_IRWXO; break;
		default: return;
		}
}

/* The bits a permission letter means in all places, of which who selects. */
static mode_t letter_bits(const struct chmod_reader *r, char c)
{
	bool others_only = r->who && !(r->who & ~(mode_t)S_IRWXO);

	switch (c) {
	case 'r': return S_IRUSR | S_IRGRP | S_IROTH;
	case 'w': return S_IWUSR | S_IWGRP | S_IWOTH;
	case 'x': return S_IXUSR | S_IXGRP | S_IXOTH;
	case 's': return others_only ? 0 : S_ISUID | S_ISGID;
	case 't': return others_only ? 0 : S_ISVTX;
	}
	return 0;
}

/* Ends a run of letters: "=" clears first, once for an action. */
static bool flush(struct chmod_reader *r, mode_t bits, bool x_if)
{
	mode_t mask = (r->who ? r->who : ALL_BITS) | (bits & S_ISVTX);
	mode_t x = S_IXUSR | S_IXGRP | S_IXOTH;
	bool ok = true;

	if (r->op == '=' && !r->assigned) {
		ok = step_add(r, (struct chmod_step){ .cmd = '-',
						      .bits = r->who ? r->who : ALL_BITS });
		r->assigned = true;
	}
	if (ok && (bits & mask))
		ok = step_add(r, (struct chmod_step){ .cmd = r->op == '-' ? '-' : '+',
						      .bits = bits & mask });
	if (ok && x_if && r->op != '-')
		ok = step_add(r, (struct chmod_step){ .cmd = 'X', .bits = x & mask });
	if (ok && x_if && r->op == '-')
		ok = step_add(r, (struct chmod_step){ .cmd = '-', .bits = x & mask });
	return ok;
}

static bool copy_step(struct chmod_reader *r, char from)
{
	struct chmod_step step = { .cmd = from, .bits = r->who ? r->who : ALL_BITS };

	step.to = step.bits & (S_IRWXU | S_IRWXG | S_IRWXO);
	step.set = r->op != '-';
	step.clear = r->op != '+';
	r->assigned = true;
	return step_add(r, step);
}

/* One operator and its letters. */
static bool take_action(struct chmod_reader *r)
{
	mode_t bits = 0;
	bool x_if = false;

	r->op = peek(r);
	if (r->op != '+' && r->op != '-' && r->op != '=')
		return false;
	r->assigned = false;
	for (r->i++;; r->i++) {
		char c = peek(r);

		if (c == 'u' || c == 'g' || c == 'o') {
			if ((bits || x_if) && !flush(r, bits, x_if))
				return false;
			bits = 0;
			x_if = false;
			if (!copy_step(r, c))
				return false;
		} else if (c == 'X') {
			x_if = true;
		} else if (c && strchr("rwxst", c)) {
			bits |= letter_bits(r, c);
		} else {
			return flush(r, bits, x_if);
		}
	}
}

static bool parse_symbolic(struct str text, struct chmod_spec *ret)
{
	struct chmod_reader r = { .s = text, .spec = ret };

	do {
		take_who(&r);
		do {
			if (!take_action(&r))
				return false;
		} while (r.i < r.s.n && peek(&r) != ',');
	} while (r.i++ < r.s.n);
	return true;
}

int chmod_parse(struct str text, struct chmod_spec *ret, struct err *e)
{
	struct chmod_spec c = { 0 };
	uint64_t mode;

	if (text.n && text.p[0] >= '0' && text.p[0] <= '9') {
		c.octal = str_to_u64(text, 8, &mode) && mode <= 07777;
		c.mode = c.octal ? (mode_t)mode : 0;
	}
	if (!c.octal && (text.n == 0 || (text.p[0] >= '0' && text.p[0] <= '9') ||
			 !parse_symbolic(text, &c)))
		return err_set(e, ERR_USAGE, "invalid chmod parameter: '" STR_FMT
			       "'. it should be octal string and between 0 and 07777, or like u=rwX,go-w",
			       STR_ARG(text));
	*ret = c;
	return 0;
}

static mode_t copy_bits(const struct chmod_step *s, mode_t mode)
{
	mode_t v = s->cmd == 'u' ? mode >> 6 & 7 : s->cmd == 'g' ? mode >> 3 & 7 : mode & 7;
	mode_t all = s->to & (v << 6 | v << 3 | v);

	if (s->clear)
		mode &= ~(s->set ? s->to : all);
	return s->set ? mode | all : mode;
}

mode_t chmod_apply(const struct chmod_spec *c, mode_t mode, bool is_dir)
{
	bool x = is_dir || (mode & (S_IXUSR | S_IXGRP | S_IXOTH));

	if (c->octal)
		return (mode & ~(mode_t)07777) | c->mode;
	for (size_t i = 0; i < c->n; i++) {
		const struct chmod_step *s = &c->steps[i];

		if (s->cmd == '-')
			mode &= ~s->bits;
		else if (s->cmd == '+' || (s->cmd == 'X' && x))
			mode |= s->bits;
		else if (s->cmd != 'X')
			mode = copy_bits(s, mode);
	}
	return mode;
}
