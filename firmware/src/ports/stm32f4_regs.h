/* SPDX-License-Identifier: Apache-2.0
 *
 * stm32f4_regs.h - the few registers that the port touches. Names are those of ST's reference manuals
 * RM0090 (F405, F407) and RM0390 (F446).
 */
#ifndef QR_STM32F4_REGS_H
#define QR_STM32F4_REGS_H

#include "cortexm_regs.h"

#define RCC_CR QR_REG(0x40023800)
#define RCC_CR_HSION (1u << 0)
#define RCC_CR_HSIRDY (1u << 1)
#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR QR_REG(0x40023804)
#define RCC_PLLCFGR_PLLN_POS 6
#define RCC_PLLCFGR_SRC_HSE (1u << 22)
#define RCC_PLLCFGR_PLLQ_POS 24
#define RCC_PLLCFGR_PLLR_POS 28
#define RCC_CFGR QR_REG(0x40023808)
#define RCC_CFGR_SW (3u << 0)
#define RCC_CFGR_SW_PLL (2u << 0)
#define RCC_CFGR_SWS (3u << 2)
#define RCC_CFGR_SWS_HSI (0u << 2)
#define RCC_CFGR_SWS_HSE (1u << 2)
#define RCC_CFGR_SWS_PLL (2u << 2)
#define RCC_CFGR_PRESCALERS (0xFCF0u)
#define RCC_CFGR_PPRE1_DIV4 (5u << 10)
#define RCC_CFGR_PPRE2_DIV2 (4u << 13)
#define RCC_AHB1ENR QR_REG(0x40023830)
#define RCC_AHB1ENR_GPIOA (1u << 0)
#define RCC_APB1ENR QR_REG(0x40023840)
#define RCC_APB1ENR_TIM2 (1u << 0)
#define RCC_APB1ENR_TIM5 (1u << 3)
#define RCC_APB1ENR_USART2 (1u << 17)
#define RCC_APB1ENR_PWR (1u << 28)

#define PWR_CR QR_REG(0x40007000)
#define PWR_CR_ODEN (1u << 16)
#define PWR_CR_ODSWEN (1u << 17)
#define PWR_CSR QR_REG(0x40007004)
#define PWR_CSR_ODRDY (1u << 16)
#define PWR_CSR_ODSWRDY (1u << 17)

#define FLASH_ACR QR_REG(0x40023C00)
#define FLASH_ACR_LATENCY (0xFu << 0)
#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)

#define GPIO_MODER(bank) QR_REG(0x40020000 + 0x400 * (bank))
#define GPIO_MODER_OUTPUT 1u
/* writes only the pins that it names: the low half sets, the high half clears */
#define GPIO_BSRR(bank) QR_REG(0x40020018 + 0x400 * (bank))
#define GPIO_BSRR_RESET 16
#define GPIOA_MODER GPIO_MODER(0)
#define GPIOA_OSPEEDR QR_REG(0x40020008)
#define GPIOA_PUPDR QR_REG(0x4002000C)
#define GPIOA_AFRL QR_REG(0x40020020)

#define USART2_SR QR_REG(0x40004400)
#define USART_SR_FE (1u << 1)
#define USART_SR_ORE (1u << 3)
#define USART_SR_RXNE (1u << 5)
#define USART_SR_TC (1u << 6)
#define USART_SR_TXE (1u << 7)
#define USART2_DR QR_REG(0x40004404)
#define USART2_BRR QR_REG(0x40004408)
/* of the clock, with 16 samples to a bit */
#define USART_BRR_MIN 16u
#define USART_BRR_MAX 0xFFFFu
#define USART2_CR1 QR_REG(0x4000440C)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_RXNEIE (1u << 5)
#define USART_CR1_UE (1u << 13)
#define USART2_IRQ 38

#define TIM2_BASE 0x40000000u
#define TIM5_BASE 0x40000C00u
#define TIM_CR1(base) QR_REG((base) + 0x00)
#define TIM_CR1_CEN (1u << 0)
#define TIM_EGR(base) QR_REG((base) + 0x14)
#define TIM_EGR_UG (1u << 0)
#define TIM_CNT(base) QR_REG((base) + 0x24)
#define TIM_PSC(base) QR_REG((base) + 0x28)
#define TIM_ARR(base) QR_REG((base) + 0x2C)

#define DBGMCU_IDCODE QR_REG(0xE0042000)
#define DBGMCU_REVISION_A 0x1000u

#endif
