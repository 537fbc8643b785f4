/* SPDX-License-Identifier: Apache-2.0
 *
 * avr_clock.h - the section clock of ATmegas with a 16-bit Timer1, shared by their ports.
 */
#ifndef QR_AVR_CLOCK_H
#define QR_AVR_CLOCK_H

#include <stdint.h>

/* Timer1's overflows are counted in GPIOR1 (low), GPIOR2 and this byte (high). */
extern volatile uint8_t qr_avr_overflows_high;

/* Starts Timer1 at the CPU clock and measures what a section itself costs. Interrupts on, the receiver
 * still off: its interrupt would be taken for the timer's. */
void qr_avr_clock_init(void);

#endif
