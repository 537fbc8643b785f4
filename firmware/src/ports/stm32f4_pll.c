/* SPDX-License-Identifier: Apache-2.0
 *
 * The way to full speed: oscillator, voltage, flash, PLL, switch. Every wait is bounded, and the outcome
 * is read back from the registers, never assumed.
 */
#include "config.h"
#include "stm32f4.h"
#include "stm32f4_regs.h"

#if defined(QR_STM32F446)
#define FAMILY QR_STM32F4_F446
#define VOLTAGE_SCALE_1 (3u << 14)
#define FULL_HZ 180000000u
#elif defined(QR_STM32F405) || defined(QR_STM32F407)
#define FAMILY QR_STM32F4_F405
#define VOLTAGE_SCALE_1 (1u << 14)
#define FULL_HZ 168000000u
#else
#error "the builder defines QR_STM32F405, QR_STM32F407 or QR_STM32F446 (`family` in the board file)"
#endif

#if QR_CPU_HZ != FULL_HZ
#error "f_cpu in the board file must be the full clock of its family: 168 or 180 MHz"
#endif

/* QR_HSE_HZ names a crystal or clock on OSC_IN (whole MHz); QR_HSE_BYPASS says that it is a clock. */
#ifdef QR_HSE_HZ
#define HSE_HZ QR_HSE_HZ
#else
#define HSE_HZ 0u
#endif

/* The phase detector wants 1 to 2 MHz, and jitters less at 2. */
#define PLL_M(input_hz) ((input_hz) % 2000000u ? (input_hz) / 1000000u : (input_hz) / 2000000u)
#define PLL_N(input_hz) (2u * FULL_HZ / ((input_hz) / PLL_M(input_hz)))
#define PLL_IS_EXACT(input_hz) ((input_hz) / PLL_M(input_hz) * PLL_N(input_hz) == 2u * FULL_HZ)
#define PLL_P_IS_2 0u
/* Q feeds USB, which is off, and R exists on the F446 only: any legal value. */
#define PLL_Q 8u
#define PLL_R 2u
#define PLL_SETTING(input_hz)                                                                                 \
    (PLL_M(input_hz) | PLL_N(input_hz) << RCC_PLLCFGR_PLLN_POS | PLL_P_IS_2 | PLL_Q << RCC_PLLCFGR_PLLQ_POS |   \
     PLL_R << RCC_PLLCFGR_PLLR_POS)
#define WAIT_STATES 5u

_Static_assert(PLL_IS_EXACT(QR_STM32F4_HSI_HZ), "the PLL reaches the full clock exactly");
#ifdef QR_HSE_HZ
_Static_assert(PLL_IS_EXACT(QR_HSE_HZ), "the PLL reaches the full clock exactly from hse_hz of the board file");
#endif

/* At least 3 ms at 16 MHz (three instructions or more a turn), which is long for anything but a crystal. */
#define WAIT_TURNS 16000u
/* At least 100 ms, as ST's own start-up code waits: the data sheets' 2 ms are typical. */
#define CRYSTAL_TURNS 533334u

static uint8_t becomes_within(uint32_t turns, const volatile uint32_t *reg, uint32_t mask, uint32_t value)
{
    for (uint32_t i = 0; i < turns; i++)
        if ((*reg & mask) == value)
            return 1;
    return 0;
}

static uint8_t becomes(const volatile uint32_t *reg, uint32_t mask, uint32_t value)
{
    return becomes_within(WAIT_TURNS, reg, mask, value);
}

static uint8_t hsi_on(void)
{
    RCC_CR |= RCC_CR_HSION;
    return becomes(&RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY);
}

/* Above 168 MHz the F446's core wants the over-drive, entered between PLL on and switch. */
static uint8_t over_drive(void)
{
#ifdef QR_STM32F446
    PWR_CR |= PWR_CR_ODEN;
    if (!becomes(&PWR_CSR, PWR_CSR_ODRDY, PWR_CSR_ODRDY))
        return 0;
    PWR_CR |= PWR_CR_ODSWEN;
    return becomes(&PWR_CSR, PWR_CSR_ODSWRDY, PWR_CSR_ODSWRDY);
#else
    return 1;
#endif
}

/* Revision A of the F405 and F407 must not prefetch (errata sheet ES0182). */
static uint32_t prefetch(void)
{
    if (FAMILY == QR_STM32F4_F405 && DBGMCU_IDCODE >> 16 == DBGMCU_REVISION_A)
        return 0;
    return FLASH_ACR_PRFTEN;
}

static uint8_t flash_ready(void)
{
    FLASH_ACR = WAIT_STATES | prefetch() | FLASH_ACR_ICEN | FLASH_ACR_DCEN;
    return becomes(&FLASH_ACR, FLASH_ACR_LATENCY, WAIT_STATES);
}

static uint8_t pll_on(uint32_t setting)
{
    RCC_PLLCFGR = setting;
    RCC_CR |= RCC_CR_PLLON;
    return becomes(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY);
}

static uint8_t switch_to_pll(void)
{
    uint32_t cfgr = RCC_CFGR & ~(RCC_CFGR_SW | RCC_CFGR_PRESCALERS);

    /* the buses first: at 42 or 45 MHz and 84 or 90 MHz they are at their limits */
    cfgr |= RCC_CFGR_PPRE1_DIV4 | RCC_CFGR_PPRE2_DIV2;
    RCC_CFGR = cfgr;
    RCC_CFGR = cfgr | RCC_CFGR_SW_PLL;
    return becomes(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL);
}

/* Back to the internal oscillator, with buses at the same clock. The wait states do no harm. */
static void back_to_hsi(void)
{
    RCC_CFGR &= ~(RCC_CFGR_SW | RCC_CFGR_PRESCALERS);
    (void)becomes(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_HSI);
    RCC_CR &= ~RCC_CR_PLLON;
    /* while it runs, its setting cannot be changed */
    (void)becomes(&RCC_CR, RCC_CR_PLLRDY, 0);
}

static uint8_t full_speed(uint32_t pll_setting)
{
    if (flash_ready() && pll_on(pll_setting) && over_drive() && switch_to_pll())
        return 1;
    back_to_hsi();
    return 0;
}

static uint8_t full_speed_from_hse(void)
{
#ifdef QR_HSE_HZ
#ifdef QR_HSE_BYPASS
    RCC_CR |= RCC_CR_HSEBYP;
#endif
    RCC_CR |= RCC_CR_HSEON;
    if (becomes_within(CRYSTAL_TURNS, &RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY) &&
        full_speed(PLL_SETTING(QR_HSE_HZ) | RCC_PLLCFGR_SRC_HSE))
        return 1;
    RCC_CR &= ~RCC_CR_HSEON;
#endif
    return 0;
}

/* see stm32f4.h */
struct qr_stm32f4_clocks qr_stm32f4_full_speed(void)
{
    struct qr_stm32f4_rcc rcc;

    RCC_APB1ENR |= RCC_APB1ENR_PWR;
    (void)RCC_APB1ENR;
    PWR_CR |= VOLTAGE_SCALE_1;
    if (!full_speed_from_hse() && hsi_on())
        (void)full_speed(PLL_SETTING(QR_STM32F4_HSI_HZ));
    rcc.cr = RCC_CR;
    rcc.pllcfgr = RCC_PLLCFGR;
    rcc.cfgr = RCC_CFGR;
    rcc.hse_hz = HSE_HZ;
    rcc.family = FAMILY;
    return qr_stm32f4_clocks(&rcc);
}
