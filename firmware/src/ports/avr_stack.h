/* SPDX-License-Identifier: Apache-2.0
 *
 * avr_stack.h - how the stack of an ATmega is measured, shared by their ports.
 */
#ifndef QR_AVR_STACK_H
#define QR_AVR_STACK_H

/* What free memory is filled with before main; the deepest byte that differs was once stack. */
#define QR_AVR_STACK_PAINT 0xC5

#endif
