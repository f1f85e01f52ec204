/* SPDX-License-Identifier: Apache-2.0 */
/* termios(3) and window sizes. */
#include "runtime/sandbox/tty.h"

#include <errno.h>
#include <sys/ioctl.h>

static int set(int fd, const struct termios *t)
{
	int r;

	do
		r = tcsetattr(fd, TCSADRAIN, t);
	while (r < 0 && errno == EINTR);
	return r;
}

int tty_raw_on(struct tty_raw *t, int fd, struct err *e)
{
	struct termios raw;

	if (tcgetattr(fd, &t->saved) < 0)
		return err_sys(e, "get the terminal's mode");
	raw = t->saved;
	cfmakeraw(&raw);
	if (set(fd, &raw) < 0)
		return err_sys(e, "set the terminal's mode");
	t->fd = fd;
	t->on = true;
	return 0;
}

void tty_raw_off(struct tty_raw *t)
{
	if (t->on)
		(void)set(t->fd, &t->saved);	/* a terminal that is gone needs no mode */
	t->on = false;
}

void tty_size(int fd, unsigned short *rows, unsigned short *cols)
{
	struct winsize ws = { 0 };

	(void)ioctl(fd, TIOCGWINSZ, &ws);
	*rows = ws.ws_row;
	*cols = ws.ws_col;
}

void tty_resize(int fd, unsigned short rows, unsigned short cols)
{
	struct winsize ws = { .ws_row = rows, .ws_col = cols };

	(void)ioctl(fd, TIOCSWINSZ, &ws);
}
