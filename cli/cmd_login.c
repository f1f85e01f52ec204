/* SPDX-License-Identifier: Apache-2.0 */
/* tare login, tare logout: credentials for registries. */
#include <errno.h>
#include <termios.h>

#include "base/fs.h"
#include "cli/cmd.h"
#include "cli/registry_opts.h"
#include "engine/login.h"

#define PASSWORD_MAX ((size_t)64 << 10)

struct login_cli {
	struct registry_opts registry;
	const char *user, *password;
	bool from_stdin;
};

static const struct opt login_opts[] = {
	{ 'u', "username", "USER", OPT_STR, offsetof(struct login_cli, user), "user name" },
	{ 'p', "password", "PASSWORD", OPT_STR, offsetof(struct login_cli, password),
	  "password; others can see it in the list of processes" },
	{ 0, "password-stdin", NULL, OPT_BOOL, offsetof(struct login_cli, from_stdin), "take the password from standard input" },
	REGISTRY_OPTS(offsetof(struct login_cli, registry)),
	{ 0 },
};

/* One line from the terminal; echo false: it is not shown. Control-C ends the wait, with the terminal as it was. */
static int prompt(struct cli *c, const char *what, bool echo, struct buf *ret, struct err *e)
{
	struct termios old, raw;
	char ch = 0;
	ssize_t n;

	if (tcgetattr(STDIN_FILENO, &old) < 0)
		return err_sys(e, "read from the terminal");
	raw = old;
	if (!echo)
		raw.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);	/* before the prompt: what is typed at once must not be seen */
	fputs(what, c->err);
	fflush(c->err);
	while ((n = read(STDIN_FILENO, &ch, 1)) > 0 && ch != '\n' && ch != 3 && ret->n < PASSWORD_MAX)
		buf_putc(ret, ch);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &old);
	if (!echo)
		fputc('\n', c->err);
	if (n <= 0 || ch == 3)
		return err_set(e, ERR_CANCELLED, "cancelled");
	return ret->n ? 0 : err_set(e, ERR_USAGE, "%s: nothing was given", what);
}

static int ask(struct cli *c, const struct login_cli *a, struct buf *user, struct buf *password, struct err *e)
{
	if (!isatty(STDIN_FILENO)) {
		err_set(e, ERR_USAGE, "cannot perform an interactive login from a non TTY device");
		return err_hint(e, "use -u USER --password-stdin");
	}
	if (!a->user && prompt(c, "Username: ", true, user, e) < 0)
		return -1;
	return a->password || prompt(c, "Password: ", false, password, e) == 0 ? 0 : -1;
}

static int read_stdin(struct buf *ret, struct err *e)
{
	if (fs_read_fd(STDIN_FILENO, PASSWORD_MAX, ret, e) < 0)
		return err_wrap(e, "--password-stdin");
	while (ret->n > 0 && memchr("\r\n", ret->p[ret->n - 1], 2))
		ret->p[--ret->n] = 0;
	return ret->n ? 0 : err_set(e, ERR_USAGE, "--password-stdin: standard input holds no password");
}

static int login_with(struct cli *c, const struct login_cli *a, const char *server, const char *user, const char *password,
		      struct err *e)
{
	const struct login_args args = {
		.client = registry_options(&a->registry), .server = server, .user = user, .password = password,
	};
	auto_login struct login l = { 0 };
	struct job j;
	int r;

	if (job_init(&j, NULL, e) < 0)
		return -1;
	r = login_do(&j, &args, &l, e);
	job_done(&j);
	if (r < 0)
		return -1;
	if (!l.asked)
		fprintf(c->err, "warning: %s did not ask for credentials: nothing was checked\n", l.key);
	if (l.plain)
		fprintf(c->err, "warning: the credentials are stored unencrypted in %s; a credential helper keeps them safer\n",
			l.where);
	fprintf(c->out, "Login Succeeded\n");
	return 0;
}

static void login_defaults(void *p)
{
	struct login_cli *a = p;

	a->registry.tls_verify = true;
}

static int login_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	struct login_cli *a = p;
	auto_buf struct buf user = { 0 }, password = { 0 };
	int r;

	if (a->from_stdin && (!a->user || a->password))
		return err_set(e, ERR_USAGE, a->user ? "--password and --password-stdin exclude each other"
			       : "--password-stdin needs --username");
	if (a->password && !a->user)
		return err_set(e, ERR_USAGE, "--password needs --username");
	if (a->password)
		fputs("warning: --password on the command line is insecure: use --password-stdin\n", c->err);
	if (!a->user) {
		r = login_with(c, a, argv[0], NULL, NULL, e);
		if (r == 0 || (e->kind != ERR_NOT_FOUND && e->kind != ERR_DENIED) || !isatty(STDIN_FILENO))
			return r == 0 || e->kind != ERR_NOT_FOUND ? r : ask(c, a, &user, &password, e);
		err_clear(e);
	}
	if (a->from_stdin ? read_stdin(&password, e) < 0 : (!a->password || !a->user) && ask(c, a, &user, &password, e) < 0)
		return -1;
	r = login_with(c, a, argv[0], a->user ? a->user : user.p, a->password ? a->password : password.p, e);
	if (password.p)
		explicit_bzero(password.p, password.n);
	return r;
}

const struct cmd cmd_login = {
	.name = "login", .synopsis = "[options] [SERVER[/PATH]]",
	.about = "Check credentials with a registry and keep them.",
	.opts = login_opts, .args_size = sizeof(struct login_cli), .max = 1, .bare = true,
	.defaults = login_defaults, .run = login_run,
};

struct logout_cli {
	const char *authfile;
};

static const struct opt logout_opts[] = {
	{ 0, "authfile", "FILE", OPT_STR, offsetof(struct logout_cli, authfile), "remove them from FILE" },
	{ 0 },
};

static int logout_run(struct cli *c, void *p, int argc UNUSED, char **argv, struct err *e)
{
	const struct logout_cli *a = p;
	auto_free char *key = NULL;
	struct job j;
	int r;

	if (job_init(&j, NULL, e) < 0)
		return -1;
	r = login_forget(&j, a->authfile, argv[0], &key, e);
	job_done(&j);
	if (r < 0)
		return -1;
	if (r > 0)
		fprintf(c->out, "Removing login credentials for %s\n", key);
	else
		fprintf(c->out, "Not logged in to %s\n", key);
	return 0;
}

const struct cmd cmd_logout = {
	.name = "logout", .synopsis = "[options] [SERVER[/PATH]]", .about = "Forget a registry's credentials.",
	.opts = logout_opts, .args_size = sizeof(struct logout_cli), .max = 1, .bare = true, .run = logout_run,
};
