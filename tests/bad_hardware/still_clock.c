/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock of a native process under virtual time: it stands still but for what the fake model says that it
 * took, so that every tick of every run is known.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <time.h>

extern uint64_t fake_ticks;
extern uint32_t fake_runs;

/* takes the place of clock_gettime, by -Dclock_gettime=still_clock_gettime */
int still_clock_gettime(clockid_t clock, struct timespec *now)
{
    static uint64_t now_ns;
    static uint32_t seen_runs;

    (void)clock;
    if (fake_runs != seen_runs)
        now_ns += fake_ticks;
    seen_runs = fake_runs;
    now->tv_sec = (time_t)(now_ns / 1000000000);
    now->tv_nsec = (long)(now_ns % 1000000000);
    return 0;
}
