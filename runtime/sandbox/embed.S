/* SPDX-License-Identifier: Apache-2.0 */
/* The init program as bytes; INIT_PROGRAM is its path, given by the Makefile. */
	.section .rodata
	.global sandbox_image, sandbox_image_end
	.balign 16
sandbox_image:
	.incbin INIT_PROGRAM
sandbox_image_end:
	.section .note.GNU-stack, "", %progbits
