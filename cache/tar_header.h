/* SPDX-License-Identifier: Apache-2.0 */
/* The 512 bytes before every entry of a tar. POSIX.1-2008 pax, "ustar Interchange Format". */
#ifndef CACHE_TAR_HEADER_H
#define CACHE_TAR_HEADER_H

struct tar_header {
	char name[100];
	char mode[8], uid[8], gid[8];
	char size[12], mtime[12];
	char chksum[8];
	char type;
	char linkname[100];
	char magic[8];		/* "ustar\0" "00"; GNU: "ustar  \0" */
	char uname[32], gname[32];
	char major[8], minor[8];
	char prefix[155];
	char rest[12];
};

_Static_assert(sizeof(struct tar_header) == 512, "a tar block");

#define TAR_ID_MAX 07777777u		/* seven octal digits */
#define TAR_OCTAL11_MAX 077777777777	/* eleven: sizes and times */

#endif
