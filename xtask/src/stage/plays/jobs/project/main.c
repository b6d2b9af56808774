#include <stdio.h>
#include <stdlib.h>
#include "sort.h"

int main(int argc, char **argv)
{
	int values[64], count = argc - 1 < 64 ? argc - 1 : 64;
	for (int i = 0; i < count; i++)
		values[i] = atoi(argv[i + 1]);
	sort(values, count);
	for (int i = 0; i < count; i++)
		printf("%d ", values[i]);
	puts("");
	return 0;
}
