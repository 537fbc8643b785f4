/* SPDX-License-Identifier: Apache-2.0
 *
 * uno.h - what uno.c and uno_start.S share.
 */
#ifndef QR_UNO_H
#define QR_UNO_H

/* What free memory is filled with before main; the deepest byte that differs was once stack. */
#define QR_UNO_STACK_PAINT 0xC5

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Timer1's overflows are counted in GPIOR1 (low), GPIOR2 and this byte (high). */
extern volatile uint8_t qr_uno_overflows_high;
#endif

#endif
