/* SPDX-License-Identifier: Apache-2.0 */
#include "stm32f4_clock.h"

enum source { SOURCE_HSI = 0, SOURCE_HSE = 1, SOURCE_PLL_P = 2, SOURCE_PLL_R = 3 };

#define PLL_FROM_HSE (1u << 22)

static uint32_t field(uint32_t value, uint32_t shift, uint32_t bits)
{
    return value >> shift & ((1u << bits) - 1);
}

/* Output of the PLL whose last divider is `divider` (0 where the setting does not exist). */
static uint32_t pll_hz(const struct qr_stm32f4_rcc *rcc, uint32_t divider)
{
    uint32_t input_hz = rcc->pllcfgr & PLL_FROM_HSE ? rcc->hse_hz : QR_STM32F4_HSI_HZ;
    uint32_t m = field(rcc->pllcfgr, 0, 6);
    uint32_t n = field(rcc->pllcfgr, 6, 9);

    if (m < 2 || n < 50 || n > 432 || divider < 2)
        return 0;
    return (uint32_t)((uint64_t)input_hz * n / (m * divider));
}

static uint32_t sysclk_hz(const struct qr_stm32f4_rcc *rcc)
{
    switch (field(rcc->cfgr, 2, 2)) {
    case SOURCE_HSI:
        return QR_STM32F4_HSI_HZ;
    case SOURCE_HSE:
        return rcc->hse_hz;
    case SOURCE_PLL_P:
        return pll_hz(rcc, 2 * (field(rcc->pllcfgr, 16, 2) + 1));
    default:
        return rcc->family == QR_STM32F4_F446 ? pll_hz(rcc, field(rcc->pllcfgr, 28, 3)) : 0;
    }
}

/* HPRE: 0xxx divides by 1, 1000 to 1111 by 2, 4, 8, 16, 64, 128, 256, 512. There is no 32. */
static uint32_t ahb_shift(uint32_t hpre)
{
    uint32_t shift = hpre < 8 ? 0 : hpre - 7;

    return shift > 4 ? shift + 1 : shift;
}

/* PPRE1: 0xx divides by 1, 100 to 111 by 2, 4, 8, 16. */
static uint32_t apb_shift(uint32_t ppre)
{
    return ppre < 4 ? 0 : ppre - 3;
}

/* see stm32f4_clock.h */
struct qr_stm32f4_clocks qr_stm32f4_clocks(const struct qr_stm32f4_rcc *rcc)
{
    struct qr_stm32f4_clocks clocks;
    uint32_t apb1 = apb_shift(field(rcc->cfgr, 10, 3));

    clocks.sysclk_hz = sysclk_hz(rcc);
    clocks.hclk_hz = clocks.sysclk_hz >> ahb_shift(field(rcc->cfgr, 4, 4));
    clocks.pclk1_hz = clocks.hclk_hz >> apb1;
    clocks.tim_apb1_hz = apb1 ? 2 * clocks.pclk1_hz : clocks.pclk1_hz;
    return clocks;
}
