/* SPDX-License-Identifier: Apache-2.0
 *
 * A host process: requests on stdin, replies on stdout, time from CLOCK_MONOTONIC. It ends when its
 * stdin does, or when nobody reads its stdout.
 */
#if defined(QR_PORT_NATIVE)

#define _POSIX_C_SOURCE 200809L

#include "port.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TIMER_TRIALS 1000

static uint8_t input[4096];
static size_t input_at, input_end;
static uint8_t output[4096];
static size_t output_end;
static uint64_t started_ns, pair_cost_ns;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fill_input(void)
{
    ssize_t bytes;

    do
        bytes = read(STDIN_FILENO, input, sizeof input);
    while (bytes < 0 && errno == EINTR);
    if (bytes <= 0)
        exit(bytes == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    input_at = 0;
    input_end = (size_t)bytes;
}

void qr_port_init(void)
{
    /* the least of many trials is the cost of the pair; the others also caught an interruption */
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < TIMER_TRIALS; i++) {
        uint64_t ticks;

        qr_port_timer_start();
        ticks = qr_port_timer_stop();
        if (ticks < least)
            least = ticks;
    }
    pair_cost_ns = least;
}

int16_t qr_port_getc(void)
{
    if (input_at == input_end) {
        struct pollfd waiting = {.fd = STDIN_FILENO, .events = POLLIN};

        if (poll(&waiting, 1, 0) <= 0)
            return -1;
        fill_input();
    }
    return input[input_at++];
}

void qr_port_idle(void)
{
    qr_port_flush();
    if (input_at == input_end)
        fill_input();
}

void qr_port_putc(uint8_t byte)
{
    if (output_end == sizeof output)
        qr_port_flush();
    output[output_end++] = byte;
}

void qr_port_flush(void)
{
    size_t at = 0;

    while (at < output_end) {
        ssize_t bytes = write(STDOUT_FILENO, output + at, output_end - at);

        if (bytes < 0 && errno != EINTR)
            exit(EXIT_FAILURE);
        if (bytes > 0)
            at += (size_t)bytes;
    }
    output_end = 0;
}

/* A pipe has no rate, so any will do. */
uint8_t qr_port_baud_possible(uint32_t baud)
{
    return baud != 0;
}

void qr_port_set_baud(uint32_t baud)
{
    (void)baud;
}

/* Pipes lose nothing. */
uint16_t qr_port_rx_lost(void)
{
    return 0;
}

void qr_port_timer_start(void)
{
    started_ns = now_ns();
}

uint64_t qr_port_timer_stop(void)
{
    uint64_t ticks = now_ns() - started_ns;

    return ticks > pair_cost_ns ? ticks - pair_cost_ns : 0;
}

uint8_t qr_port_counter(void)
{
    return QR_COUNTER_MONOTONIC;
}

uint32_t qr_port_counter_hz(void)
{
    return 1000000000;
}

uint32_t qr_port_cpu_hz(void)
{
    return 0;
}

/* Nothing that a process could know of the computer that runs it. */
uint8_t qr_port_setting(uint8_t at)
{
    (void)at;
    return 0;
}

/* The process's stack is the host's affair. */
uint32_t qr_port_stack_used(void)
{
    return 0;
}

/* see port.h */
void qr_port_stack_forget(void)
{
}

#endif
