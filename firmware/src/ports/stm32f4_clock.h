/* SPDX-License-Identifier: Apache-2.0
 *
 * stm32f4_clock.h - what the clock registers say, in Hz. Pure arithmetic, tested on the host: QEMU has
 * no clock tree to test it with.
 */
#ifndef QR_STM32F4_CLOCK_H
#define QR_STM32F4_CLOCK_H

#include <stdint.h>

#define QR_STM32F4_HSI_HZ 16000000u

/* What differs between the chips: the F446 can run from the PLL's R output too. */
enum qr_stm32f4_family {
    QR_STM32F4_F405 = 1, /* F405, F407, F415, F417 */
    QR_STM32F4_F446 = 2
};

/* The registers as read, and what hangs on OSC_IN (0: nothing known). */
struct qr_stm32f4_rcc {
    uint32_t cr;
    uint32_t pllcfgr;
    uint32_t cfgr;
    uint32_t hse_hz;
    uint32_t family;
};

/* 0 where the registers hold a setting that the chip does not have. */
struct qr_stm32f4_clocks {
    uint32_t sysclk_hz;
    uint32_t hclk_hz;      /* CPU and CYCCNT */
    uint32_t pclk1_hz;     /* USART2 */
    uint32_t tim_apb1_hz;  /* TIM2 and TIM5, with TIMPRE at its reset value */
};

struct qr_stm32f4_clocks qr_stm32f4_clocks(const struct qr_stm32f4_rcc *rcc);

#endif
