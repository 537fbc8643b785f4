/* SPDX-License-Identifier: Apache-2.0
 *
 * stm32f4.h - what the files of the STM32F4 port share.
 */
#ifndef QR_STM32F4_H
#define QR_STM32F4_H

#include "stm32f4_clock.h"

/* Brings the chip to QR_CPU_HZ, or leaves it on the internal oscillator when any step does not come
 * true in time; returns what the registers say afterwards. */
struct qr_stm32f4_clocks qr_stm32f4_full_speed(void);

#endif
