/* SPDX-License-Identifier: Apache-2.0
 *
 * What a random program needs around it, on the emulated core and on this computer: a line of text for
 * every value that it hands over, so that the first line that differs names the function at fault.
 */
#include <stdint.h>

void check(uint32_t function, uint64_t value);
void run_all(void);

static uint64_t hash = 0xcbf29ce484222325u;
static char text[4096] __attribute__((aligned(4096)));
static uint32_t length;

#ifdef __XTENSA__
#include "esp32sim.h"

static void flush(void)
{
    qr_esp32sim_call(QR_SIM_WRITE, 1, (uint32_t)(uintptr_t)text, length);
    length = 0;
}
#else
#include <unistd.h>

static void flush(void)
{
    if (write(1, text, length) != (ssize_t)length)
        _exit(1);
    length = 0;
}
#endif

static void digits(uint64_t value, int count)
{
    while (count-- > 0)
        text[length++] = "0123456789abcdef"[value >> (4 * count) & 15];
}

/* One line: the function, the value, the hash of all values so far. */
void check(uint32_t function, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        hash = (hash ^ (value >> (8 * i) & 255)) * 0x100000001b3u;
    if (length > sizeof text - 64)
        flush();
    digits(function, 4);
    text[length++] = ' ';
    digits(value, 16);
    text[length++] = ' ';
    digits(hash, 16);
    text[length++] = '\n';
}

int main(void)
{
    run_all();
    flush();
#ifdef __XTENSA__
    qr_esp32sim_call(QR_SIM_EXIT, 0, 0, 0);
#endif
    return 0;
}
