#include <stdio.h>
#include <stdlib.h>

const char *word(int i);

int main(int argc, char **argv)
{
	printf("%s%s%s\n", getenv("GREETING"), word(0), argc > 1 ? argv[1] : "nobody");
	return argc - 2;
}
