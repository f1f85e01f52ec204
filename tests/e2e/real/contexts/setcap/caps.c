#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Tells the effective capabilities, which the file has given or not. */
int main(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "CapEff:", 7) == 0)
			printf("%d %s", (int)getuid(), line);
	return 0;
}
