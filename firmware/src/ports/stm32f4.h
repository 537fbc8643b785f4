/* SPDX-License-Identifier: Apache-2.0
 *
 * stm32f4.h - what the files of the STM32F4 port share.
 */
#ifndef QR_STM32F4_H
#define QR_STM32F4_H

#include "stm32f4_clock.h"

/* Brings the chip to QR_CPU_HZ: from the crystal or clock on OSC_IN where the builder names one, without it
 * from the internal oscillator; when any step of that does not come true in time, it stays on the internal
 * oscillator's own 16 MHz. Returns what the registers say afterwards. */
struct qr_stm32f4_clocks qr_stm32f4_full_speed(void);

/* `clock=hse;flash_ws=5;art=on;icache=on;dcache=on` at its longest, `off` and a second digit counted; `art`
 * is the prefetch of ST's ART accelerator, whose two caches have keys of their own. */
#define QR_STM32F4_SETTINGS_BYTES 56

/* Writes the settings of port.h with a zero at the end. */
void qr_stm32f4_describe(char text[QR_STM32F4_SETTINGS_BYTES]);

#endif
