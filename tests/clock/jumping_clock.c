/* A wall clock that a test sets while a program runs, loaded into it with LD_PRELOAD.
 *
 * CLOCK_REALTIME is the machine's and as many milliseconds more as stand in the file that JUMPING_CLOCK names: eight bytes in this
 * machine's order, read at each call. All other clocks are the machine's, as when somebody sets a clock. What asks the kernel itself
 * (rustix, for the time since the boot) is not concerned. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BILLION 1000000000

static const volatile int64_t *offset;

__attribute__((constructor)) static void begin(void)
{
	const char *name = getenv("JUMPING_CLOCK");
	int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	void *bytes;

	if (file < 0)
		return;
	bytes = mmap(NULL, sizeof(*offset), PROT_READ, MAP_SHARED, file, 0);
	if (bytes != MAP_FAILED)
		offset = bytes;
	close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
	int failed = syscall(SYS_clock_gettime, clock, time);
	int64_t more, nanoseconds;

	if (failed || clock != CLOCK_REALTIME || !offset)
		return failed;
	more = *offset;
	nanoseconds = time->tv_nsec + more % 1000 * 1000000;
	time->tv_sec += more / 1000 + (nanoseconds >= BILLION) - (nanoseconds < 0);
	time->tv_nsec = (nanoseconds + BILLION) % BILLION;
	return 0;
}
