/* Makes system calls and prints the processor time that they took: `sensor CALL NUMBER [PER_SECOND]`. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double processor_time(void)
{
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(int count, char **arguments)
{
	if (count < 3)
		return 2;
	const char *call = arguments[1];
	long number = atol(arguments[2]), per_second = count > 3 ? atol(arguments[3]) : 0;
	struct stat status;
	struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
	double before = processor_time();
	for (long i = 0; i < number; i++) {
		if (!strcmp(call, "close")) {
			syscall(SYS_close, -1);
		} else if (!strcmp(call, "stat")) {
			syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &status, 0);
		} else if (!strcmp(call, "open")) {
			close(open("/etc/passwd", O_RDONLY));
		} else {
			/* A call that is not recorded. */
			syscall(SYS_getppid);
		}
		if (per_second && i % (per_second / 100) == 0)
			nanosleep(&pause, 0);
	}
	printf("%.0f\n", (processor_time() - before) / number * 1e9);
	return 0;
}
