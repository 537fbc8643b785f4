/* SPDX-License-Identifier: Apache-2.0
 *
 * Time from Timer1, which counts CPU cycles. Timer0's interrupt, by which an Arduino core keeps its
 * milliseconds, is held back within a section: bare metal and core count the same.
 *
 * A section's ticks are what the code alone costs: the pair start/stop and Timer1's own overflow
 * interrupt are measured once at start-up, on the chip or simulator at hand, and taken off (the two
 * disagree: simavr charges nothing for entering an interrupt, silicon four cycles).
 */
#include "avr_clock.h"

#include <avr/interrupt.h>
#include <avr/io.h>

#include "port.h"

volatile uint8_t qr_avr_overflows_high; /* the upper part of the count in GPIOR2 and GPIOR1 */
static uint8_t overflow_cycles;
static uint16_t pair_cycles;
static uint16_t section_low;
static uint8_t section_pending;
static uint8_t timer0_interrupts;

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

/* see avr_clock.h */
void qr_avr_clock_init(void)
{
    uint8_t timer0 = TIMSK0;
    uint16_t quiet;

    TCCR1A = 0;
    TCCR1B = _BV(CS10);
    TIMSK0 = 0;
    TIMSK1 = 0;
    quiet = loop_ticks(0xFFC0);
    TIMSK1 = _BV(TOIE1);
    overflow_cycles = (uint8_t)(loop_ticks(0xFFC0) - quiet);
    TIMSK1 = 0;
    TIMSK0 = timer0;
    pair_cycles = 0;
    qr_port_timer_start();
    pair_cycles = (uint16_t)qr_port_timer_stop();
}

/* see port.h; noinline: the calibration must time the very same code */
__attribute__((noinline)) void qr_port_timer_start(void)
{
    timer0_interrupts = TIMSK0;
    TIMSK0 = 0;
    GPIOR1 = 0;
    GPIOR2 = 0;
    qr_avr_overflows_high = 0;
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

    overflows = GPIOR1 | (uint16_t)GPIOR2 << 8 | (uint32_t)qr_avr_overflows_high << 16;
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
    TIMSK0 = timer0_interrupts;
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
