/* SPDX-License-Identifier: Apache-2.0
 *
 * A UART as most microcontrollers have it: a ring that an interrupt fills, a transmitter with one byte of
 * buffer in front of its shift register. The firmware runs on a stack of its own, which it leaves whenever
 * its clock passes the moment up to which the host's is known.
 */
#include "port_line.h"

#include <string.h>
#include <ucontext.h>

#include "bench.h"
#include "config.h"
#include "port.h"

#define FED_BYTES 65536
#define SENT_BYTES 65536
#define STACK_BYTES (256 * 1024)

static ucontext_t host, device;
static uint8_t stack[STACK_BYTES];

static uint64_t byte_ns, now_ns, until_ns, sent_end_ns;
static size_t enough_bytes;

/* what comes from the host and has not arrived yet */
static uint8_t fed[FED_BYTES];
static uint64_t fed_at[FED_BYTES];
static size_t fed_begin, fed_end;

static uint8_t ring[QR_RX_RING_BYTES];
static size_t ring_begin, ring_count;
static uint16_t lost;

static uint8_t sent[SENT_BYTES];
static uint64_t sent_at[SENT_BYTES];
static size_t sent_count;

static uint64_t section_ns;

static void receive(void)
{
    for (; fed_begin < fed_end && fed_at[fed_begin] <= now_ns; fed_begin++) {
        /* one slot stays free, as in the ports */
        if (ring_count == QR_RX_RING_BYTES - 1) {
            if (lost != UINT16_MAX)
                lost++;
        } else {
            ring[(ring_begin + ring_count++) % QR_RX_RING_BYTES] = fed[fed_begin];
        }
    }
}

/* Lets time pass; beyond what the host has allowed only when it allows more. */
static void pass_until(uint64_t moment_ns)
{
    while (moment_ns > until_ns)
        swapcontext(&device, &host);
    if (moment_ns > now_ns)
        now_ns = moment_ns;
    receive();
}

static void firmware(void)
{
    qr_bench_init();
    for (;;)
        qr_bench_poll();
}

/* see port_line.h */
void line_start(uint64_t a_byte_ns)
{
    byte_ns = a_byte_ns;
    now_ns = until_ns = sent_end_ns = section_ns = 0;
    fed_begin = fed_end = ring_begin = ring_count = sent_count = 0;
    lost = 0;
    getcontext(&device);
    device.uc_stack.ss_sp = stack;
    device.uc_stack.ss_size = sizeof stack;
    device.uc_link = &host;
    makecontext(&device, firmware, 0);
}

/* see port_line.h */
int line_feed(const uint8_t *data, size_t bytes, uint64_t first_ns)
{
    memmove(fed, fed + fed_begin, fed_end - fed_begin);
    memmove(fed_at, fed_at + fed_begin, (fed_end - fed_begin) * sizeof fed_at[0]);
    fed_end -= fed_begin;
    fed_begin = 0;
    if (bytes > FED_BYTES - fed_end)
        return 0;
    for (size_t i = 0; i < bytes; i++) {
        fed[fed_end] = data[i];
        fed_at[fed_end++] = first_ns + i * byte_ns;
    }
    return 1;
}

/* see port_line.h */
void line_run(uint64_t a_until_ns, size_t enough)
{
    until_ns = a_until_ns;
    enough_bytes = enough;
    if (sent_count >= enough && sent_at[enough - 1] < until_ns)
        until_ns = sent_at[enough - 1];
    swapcontext(&host, &device);
}

/* see port_line.h */
size_t line_sent(void)
{
    return sent_count;
}

/* see port_line.h */
const uint8_t *line_sent_bytes(void)
{
    return sent;
}

/* see port_line.h */
const uint64_t *line_sent_at(void)
{
    return sent_at;
}

/* see port_line.h */
void line_take(size_t bytes)
{
    sent_count -= bytes;
    memmove(sent, sent + bytes, sent_count);
    memmove(sent_at, sent_at + bytes, sent_count * sizeof sent_at[0]);
}

/* see port_line.h */
void line_compute(uint64_t ns)
{
    pass_until(now_ns + ns);
}

/* see port_line.h */
uint64_t line_now_ns(void)
{
    return now_ns;
}

void qr_port_init(void)
{
}

int16_t qr_port_getc(void)
{
    uint8_t byte;

    receive();
    if (ring_count == 0)
        return -1;
    byte = ring[ring_begin];
    ring_begin = (ring_begin + 1) % QR_RX_RING_BYTES;
    ring_count--;
    return byte;
}

void qr_port_idle(void)
{
    while (fed_begin == fed_end)
        swapcontext(&device, &host);
    pass_until(fed_at[fed_begin]);
}

/* Waits until the byte before has moved on from the buffer to the shift register. */
void qr_port_putc(uint8_t byte)
{
    if (sent_end_ns > now_ns + byte_ns)
        pass_until(sent_end_ns - byte_ns);
    sent_end_ns = (sent_end_ns > now_ns ? sent_end_ns : now_ns) + byte_ns;
    if (sent_count == SENT_BYTES)
        return;
    sent[sent_count] = byte;
    sent_at[sent_count++] = sent_end_ns;
    if (sent_count == enough_bytes && sent_end_ns < until_ns)
        until_ns = sent_end_ns;
}

void qr_port_flush(void)
{
    pass_until(sent_end_ns);
}

uint8_t qr_port_baud_possible(uint32_t baud)
{
    return baud == 0;
}

/* The line has one rate. */
void qr_port_set_baud(uint32_t baud)
{
    (void)baud;
}

uint16_t qr_port_rx_lost(void)
{
    return lost;
}

void qr_port_timer_start(void)
{
    section_ns = now_ns;
}

uint64_t qr_port_timer_stop(void)
{
    return now_ns - section_ns;
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

uint8_t qr_port_setting(uint8_t at)
{
    (void)at;
    return 0;
}

uint32_t qr_port_stack_used(void)
{
    return 0;
}

/* see port.h */
void qr_port_stack_forget(void)
{
}
