/* SPDX-License-Identifier: Apache-2.0 */
/* The user's terminal while a container has it: raw mode and back, its size. */
#ifndef RUNTIME_SANDBOX_TTY_H
#define RUNTIME_SANDBOX_TTY_H

#include <stdbool.h>
#include <termios.h>

#include "base/err.h"

struct tty_raw {		/* { 0 } is one that is off */
	int fd;
	bool on;
	struct termios saved;
};

/* Every byte passes unchanged, none makes a signal. fd must stay open until tty_raw_off(). */
NODISCARD int tty_raw_on(struct tty_raw *t, int fd, struct err *e);
void tty_raw_off(struct tty_raw *t);	/* as it was before; may be repeated */
/* Rows and columns; 0 and 0 if fd is no terminal or does not know. */
void tty_size(int fd, unsigned short *rows, unsigned short *cols);
void tty_resize(int fd, unsigned short rows, unsigned short cols);	/* the program inside gets SIGWINCH */

#endif
