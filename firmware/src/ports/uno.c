/* SPDX-License-Identifier: Apache-2.0
 *
 * Arduino Uno: ATmega328P at 16 MHz, bare metal. Serial on USART0 through an interrupt-fed ring, time
 * from Timer1, which counts CPU cycles.
 *
 * A section's ticks are what the code alone costs: the pair start/stop and Timer1's own overflow
 * interrupt are measured once at start-up, on the chip or simulator at hand, and taken off (the two
 * disagree: simavr charges nothing for entering an interrupt, silicon four cycles).
 */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

#include "config.h"
#include "port.h"
#include "uno.h"

#ifndef QR_BAUD
#define QR_BAUD 1000000UL
#endif

#define UBRR_VALUE ((QR_CPU_HZ + 4 * QR_BAUD) / (8 * QR_BAUD) - 1)
#define RX_MASK ((uint8_t)(QR_RX_RING_BYTES - 1))

_Static_assert(QR_RX_RING_BYTES <= 256, "the ring's indices are bytes");

extern uint8_t _end; /* of .bss, from the linker */

static volatile uint8_t rx_ring[QR_RX_RING_BYTES];
static volatile uint8_t rx_head; /* written by the interrupt only */
static volatile uint8_t rx_tail; /* written by getc only */
static volatile uint16_t rx_lost;
static uint8_t tx_used;

volatile uint8_t qr_uno_overflows_high; /* the upper part of the count in GPIOR2 and GPIOR1 */
static uint8_t overflow_cycles;
static uint16_t pair_cycles;
static uint16_t section_low;
static uint8_t section_pending;

/* Measured in simavr: 67 cycles at most, and silicon's entry takes 4 more. At 1,000,000 baud a byte
 * comes every 160. */
ISR(USART_RX_vect)
{
    uint8_t status = UCSR0A;
    uint8_t byte = UDR0;
    uint8_t head = rx_head;
    uint8_t next = (head + 1) & RX_MASK;

    if (next == rx_tail) {
        status = _BV(DOR0);
    } else {
        rx_ring[head] = byte;
        rx_head = next;
    }
    if ((status & (_BV(FE0) | _BV(DOR0))) && rx_lost != UINT16_MAX)
        rx_lost++;
}

/* Ticks of a fixed loop; Timer1 overflows in it when it begins at 0xFFC0. */
static uint16_t loop_ticks(uint16_t first)
{
    uint16_t last;

    TCNT1 = first;
    TIFR1 = _BV(TOV1);
    for (uint8_t i = 0; i < 32; i++)
        __asm__ volatile("nop");
    last = TCNT1;
    return last - first;
}

static void calibrate(void)
{
    uint16_t quiet;

    TIMSK1 = 0;
    quiet = loop_ticks(0xFFC0);
    TIMSK1 = _BV(TOIE1);
    overflow_cycles = (uint8_t)(loop_ticks(0xFFC0) - quiet);
    TIMSK1 = 0;
    pair_cycles = 0;
    qr_port_timer_start();
    pair_cycles = (uint16_t)qr_port_timer_stop();
}

/* see port.h */
void qr_port_init(void)
{
    TCCR1A = 0;
    TCCR1B = _BV(CS10);
    set_sleep_mode(SLEEP_MODE_IDLE);
    sei();
    /* before the receiver is on: its interrupt would be taken for the timer's */
    calibrate();
    UBRR0 = UBRR_VALUE;
    UCSR0A = _BV(U2X0);
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXCIE0) | _BV(RXEN0) | _BV(TXEN0);
}

/* see port.h */
int16_t qr_port_getc(void)
{
    uint8_t tail = rx_tail;
    uint8_t byte;

    if (tail == rx_head)
        return -1;
    byte = rx_ring[tail];
    rx_tail = (tail + 1) & RX_MASK;
    return byte;
}

/* see port.h */
void qr_port_idle(void)
{
    /* the instruction after sei() runs before any interrupt: no byte slips in between test and sleep */
    cli();
    if (rx_tail == rx_head) {
        sleep_enable();
        sei();
        sleep_cpu();
        sleep_disable();
    }
    sei();
}

/* see port.h */
void qr_port_putc(uint8_t byte)
{
    while (!(UCSR0A & _BV(UDRE0))) {
    }
    /* TXC must be cleared after this byte went in and before it is out: no interrupt between */
    cli();
    UDR0 = byte;
    UCSR0A = _BV(U2X0) | _BV(TXC0);
    sei();
    tx_used = 1;
}

/* see port.h */
void qr_port_flush(void)
{
    if (!tx_used)
        return;
    while (!(UCSR0A & _BV(TXC0))) {
    }
    tx_used = 0;
}

/* see port.h */
uint16_t qr_port_rx_lost(void)
{
    uint16_t lost;

    cli();
    lost = rx_lost;
    sei();
    return lost;
}

/* see port.h; noinline: the calibration must time the very same code */
__attribute__((noinline)) void qr_port_timer_start(void)
{
    GPIOR1 = 0;
    GPIOR2 = 0;
    qr_uno_overflows_high = 0;
    TCNT1 = 0;
    TIFR1 = _BV(TOV1);
    TIMSK1 = _BV(TOIE1);
    GPIOR0 = 1;
}

/* Ends the section. A leaf, so that nothing is saved before the mark and the reading. */
static __attribute__((noinline)) void capture(void)
{
    GPIOR0 = 2;
    cli();
    section_low = TCNT1;
    section_pending = TIFR1 & _BV(TOV1);
    TIMSK1 = 0;
    sei();
}

static __attribute__((noinline)) uint64_t section_ticks(void)
{
    uint32_t overflows;
    uint64_t ticks;

    overflows = GPIOR1 | (uint16_t)GPIOR2 << 8 | (uint32_t)qr_uno_overflows_high << 16;
    ticks = ((uint64_t)overflows << 16) - overflows * overflow_cycles;
    /* an overflow that came too late for its interrupt has not cost anything yet */
    if (section_pending && section_low < 0x8000)
        ticks += 0x10000;
    return ticks + section_low - pair_cycles;
}

/* see port.h */
__attribute__((noinline)) uint64_t qr_port_timer_stop(void)
{
    capture();
    return section_ticks();
}

/* see port.h */
uint8_t qr_port_counter(void)
{
    return QR_COUNTER_TIMER1;
}

/* see port.h */
uint32_t qr_port_counter_hz(void)
{
    return QR_CPU_HZ;
}

/* see port.h; the chip has no register that tells its clock */
uint32_t qr_port_cpu_hz(void)
{
    return QR_CPU_HZ;
}

/* see port.h */
uint32_t qr_port_stack_used(void)
{
    const uint8_t *p = &_end;

    while (p <= (const uint8_t *)RAMEND && *p == QR_UNO_STACK_PAINT)
        p++;
    return (uint32_t)((const uint8_t *)RAMEND - p + 1);
}
