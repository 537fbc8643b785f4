/* SPDX-License-Identifier: Apache-2.0
 *
 * What the clock and flash registers say of how the board runs, as text.
 */
#include "stm32f4.h"
#include "stm32f4_regs.h"

static char *append(char *to, const char *text)
{
    while (*text)
        *to++ = *text++;
    return to;
}

static char *append_switch(char *to, const char *key, uint32_t bit)
{
    return append(append(to, key), FLASH_ACR & bit ? "on" : "off");
}

static uint8_t runs_from_hse(void)
{
    switch (RCC_CFGR & RCC_CFGR_SWS) {
    case RCC_CFGR_SWS_HSI:
        return 0;
    case RCC_CFGR_SWS_HSE:
        return 1;
    default:
        return (RCC_PLLCFGR & RCC_PLLCFGR_SRC_HSE) != 0;
    }
}

/* see stm32f4.h */
void qr_stm32f4_describe(char text[QR_STM32F4_SETTINGS_BYTES])
{
    uint32_t wait_states = FLASH_ACR & FLASH_ACR_LATENCY;
    char *to = append(text, runs_from_hse() ? "clock=hse" : "clock=hsi");

    to = append(to, ";flash_ws=");
    if (wait_states > 9)
        *to++ = '1';
    *to++ = (char)('0' + wait_states % 10);
    to = append_switch(to, ";art=", FLASH_ACR_PRFTEN);
    to = append_switch(to, ";icache=", FLASH_ACR_ICEN);
    to = append_switch(to, ";dcache=", FLASH_ACR_DCEN);
    *to = '\0';
}
