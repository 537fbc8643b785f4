/* SPDX-License-Identifier: Apache-2.0
 *
 * mps2_regs.h - the registers that the port touches, as in Arm's Cortex-M System Design Kit.
 */
#ifndef QR_MPS2_REGS_H
#define QR_MPS2_REGS_H

#include "cortexm_regs.h"

#define UART0_DATA QR_REG(0x40004000)
#define UART0_STATE QR_REG(0x40004004)
#define UART_STATE_TXFULL (1u << 0)
#define UART_STATE_RXFULL (1u << 1)
#define UART_STATE_RXOVERRUN (1u << 3)
#define UART0_CTRL QR_REG(0x40004008)
#define UART_CTRL_TXEN (1u << 0)
#define UART_CTRL_RXEN (1u << 1)
#define UART_CTRL_RXINTEN (1u << 3)
#define UART0_INTCLEAR QR_REG(0x4000400C)
#define UART_INT_RX (1u << 1)
#define UART0_BAUDDIV QR_REG(0x40004010)
#define UART_BAUDDIV_MIN 16u
#define UART0_RX_IRQ 0

/* The dual timer: two counters of 32 bits that count down. */
#define FINE_CONTROL QR_REG(0x40002008)
#define FINE_VALUE QR_REG(0x40002004)
#define COARSE_CONTROL QR_REG(0x40002028)
#define COARSE_VALUE QR_REG(0x40002024)
#define DUALTIMER_32BIT (1u << 1)
#define DUALTIMER_BY_256 (2u << 2)
#define DUALTIMER_ENABLE (1u << 7)

#endif
