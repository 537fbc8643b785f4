/* SPDX-License-Identifier: Apache-2.0
 *
 * lm3s_regs.h - the registers that the port touches, named as in the data sheet of the LM3S6965.
 */
#ifndef QR_LM3S_REGS_H
#define QR_LM3S_REGS_H

#include "cortexm_regs.h"

#define UART0_DR QR_REG(0x4000C000)
#define UART_DR_ERRORS (0xFu << 8)
#define UART0_FR QR_REG(0x4000C018)
#define UART_FR_BUSY (1u << 3)
#define UART_FR_RXFE (1u << 4)
#define UART_FR_TXFF (1u << 5)
#define UART0_IBRD QR_REG(0x4000C024)
#define UART0_FBRD QR_REG(0x4000C028)
#define UART_BRD_MAX (64u * 0xFFFFu)
#define UART0_LCRH QR_REG(0x4000C02C)
#define UART_LCRH_WLEN_8 (3u << 5)
#define UART0_CTL QR_REG(0x4000C030)
#define UART_CTL_UARTEN (1u << 0)
#define UART_CTL_TXE (1u << 8)
#define UART_CTL_RXE (1u << 9)
#define UART0_IM QR_REG(0x4000C038)
#define UART_IM_RXIM (1u << 4)
#define UART0_IRQ 5

#define GPTM0_CFG QR_REG(0x40030000)
#define GPTM_CFG_RTC 1u
#define GPTM0_CTL QR_REG(0x4003000C)
#define GPTM_CTL_TAEN (1u << 0)
#define GPTM0_TAMATCHR QR_REG(0x40030030)
#define GPTM0_TAR QR_REG(0x40030048)

#define RCC QR_REG(0x400FE060)
#define RCC_SYSDIV_POS 23
#define RCC_SYSDIV_BITS 0xFu
#define PLL_HZ 200000000UL

#endif
