/* SPDX-License-Identifier: Apache-2.0
 *
 * A port for tests: the line is two buffers, the clock is what the fake model says. With it the whole
 * device end is a shared object that a test feeds byte by byte, without a process and without time.
 */
#include <string.h>

#include "bench.h"
#include "port.h"
#include "port_memory.h"
#include "qr_link.h"

#define OUTPUT_BYTES (1L << 20)

extern uint64_t fake_ticks;
extern uint32_t fake_runs;

static const uint8_t *input;
static size_t input_bytes, input_at;
static uint8_t output[OUTPUT_BYTES];
static size_t output_end;
static uint32_t runs_at_start;

#define MOST_BAUD 2000000
uint32_t fake_baud; /* the rate that the device thinks it has; 0 after reset */
uint16_t fake_rx_lost;
static const char settings[] = "clock=fake;flash_ws=5";

/* see port_memory.h */
size_t device_serve(const uint8_t *data, size_t bytes)
{
    input = data;
    input_bytes = bytes;
    input_at = 0;
    output_end = 0;
    while (input_at < input_bytes)
        qr_bench_poll();
    return output_end;
}

/* see port_memory.h */
const uint8_t *device_output(void)
{
    return output;
}

/* see port_memory.h */
size_t device_output_bytes(void)
{
    return output_end;
}

/* see port_memory.h */
size_t device_encode(uint8_t type, uint16_t sequence, const uint8_t *body, uint16_t bytes)
{
    static struct qr_link link;

    output_end = 0;
    qr_link_init(&link);
    memcpy(qr_link_body(&link), body, bytes);
    qr_link_send(&link, type, sequence, bytes);
    return output_end;
}

/* see port_memory.h */
int device_decode(const uint8_t *data, size_t bytes, uint8_t *frame)
{
    static struct qr_link link;
    int last = QR_LINK_NOTHING;

    qr_link_init(&link);
    for (size_t i = 0; i < bytes; i++) {
        int event = qr_link_receive(&link, data[i]);

        if (event == QR_LINK_NOTHING)
            continue;
        last = event;
        if (event == QR_LINK_REQUEST) {
            memcpy(frame, link.frame, QR_HEADER_BYTES + link.body_bytes);
            return QR_HEADER_BYTES + link.body_bytes;
        }
    }
    return last;
}

void qr_port_init(void)
{
}

int16_t qr_port_getc(void)
{
    return input_at < input_bytes ? input[input_at++] : -1;
}

void qr_port_idle(void)
{
}

/* What nobody collects is lost, as on a line. */
void qr_port_putc(uint8_t byte)
{
    if (output_end < sizeof output)
        output[output_end++] = byte;
}

void qr_port_flush(void)
{
}

uint8_t qr_port_baud_possible(uint32_t baud)
{
    return baud != 0 && baud <= MOST_BAUD;
}

void qr_port_set_baud(uint32_t baud)
{
    fake_baud = baud;
}

uint8_t qr_port_setting(uint8_t at)
{
    return at < sizeof settings ? (uint8_t)settings[at] : 0;
}

uint16_t qr_port_rx_lost(void)
{
    return fake_rx_lost;
}

void qr_port_timer_start(void)
{
    runs_at_start = fake_runs;
}

uint64_t qr_port_timer_stop(void)
{
    return (fake_runs - runs_at_start) * fake_ticks;
}

uint8_t qr_port_counter(void)
{
    return QR_COUNTER_TIMER1;
}

uint32_t qr_port_counter_hz(void)
{
    return 16000000;
}

uint32_t qr_port_cpu_hz(void)
{
    return 16000001;
}

uint32_t qr_port_stack_used(void)
{
    return 321;
}

void qr_port_stack_forget(void)
{
}
