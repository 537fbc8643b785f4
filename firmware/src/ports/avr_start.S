/* SPDX-License-Identifier: Apache-2.0
 *
 * The two pieces of the ATmegas' ports that C cannot say: painting the stack before there is one, and an
 * interrupt whose cost never varies.
 */
#include <avr/io.h>

#include "avr_stack.h"

/* Part of the start-up code, between the setting of the stack pointer and of .data: falls through. */
    .section .init3, "ax", @progbits
    ldi   r30, lo8(_end)
    ldi   r31, hi8(_end)
    ldi   r24, QR_AVR_STACK_PAINT
    ldi   r25, hi8(RAMEND + 1)
1:  st    Z+, r24
    cpi   r30, lo8(RAMEND + 1)
    cpc   r31, r25
    brlo  1b

/* Timer1 overflow: adds one to the count, without a branch, so that each interrupt costs the same. */
    .section .text.TIMER1_OVF_vect, "ax", @progbits
    .global TIMER1_OVF_vect
    .type TIMER1_OVF_vect, @function
TIMER1_OVF_vect:
    push  r24
    in    r24, _SFR_IO_ADDR(SREG)
    push  r24
    in    r24, _SFR_IO_ADDR(GPIOR1)
    subi  r24, 0xFF
    out   _SFR_IO_ADDR(GPIOR1), r24
    in    r24, _SFR_IO_ADDR(GPIOR2)
    sbci  r24, 0xFF
    out   _SFR_IO_ADDR(GPIOR2), r24
    lds   r24, qr_avr_overflows_high
    sbci  r24, 0xFF
    sts   qr_avr_overflows_high, r24
    pop   r24
    out   _SFR_IO_ADDR(SREG), r24
    pop   r24
    reti
    .size TIMER1_OVF_vect, . - TIMER1_OVF_vect
