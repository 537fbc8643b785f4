/* SPDX-License-Identifier: Apache-2.0
 *
 * QEMU's lm3s6965evb (Cortex-M3: no FPU, no DSP instructions), bare metal: serial on UART0 through an
 * interrupt-fed ring, executed instructions from the watchdog's counter at 50 MHz.
 *
 * For the emulator alone, which has neither pins nor clock gates, and lets the general timers be read
 * as seconds only. The watchdog counts down 32 bits and, without reset enabled, does nothing else; it
 * wraps after 86 s of virtual time (6.7e8 instructions), and the seconds tell how often.
 */
#include "cortexm.h"
#include "lm3s_regs.h"
#include "port.h"

#ifndef QR_BAUD
#define QR_BAUD 115200UL
#endif

#define TICK_NS (1000000000UL / QR_CPU_HZ)

_Static_assert(TICK_NS * QR_CPU_HZ == 1000000000UL, "a tick must be a whole number of ns");
_Static_assert(PLL_HZ % QR_CPU_HZ == 0 && PLL_HZ / QR_CPU_HZ <= 16, "SYSDIV cannot make this clock");

static uint32_t pair_instructions;
static uint32_t start_seconds, start_fine;

/* see cortexm.h */
void Serial_IRQHandler(void)
{
    while (!(UART0_FR & UART_FR_RXFE)) {
        uint32_t data = UART0_DR;

        qr_cortexm_received((uint8_t)data);
        if (data & UART_DR_ERRORS)
            qr_cortexm_lost();
    }
}

static void counter_init(void)
{
    GPTM0_CFG = GPTM_CFG_RTC;
    GPTM0_TAMATCHR = UINT32_MAX;
    GPTM0_CTL = GPTM_CTL_TAEN;
    WDTLOAD = UINT32_MAX;
    WDTCTL = WDTCTL_INTEN; /* it counts from here on */
    pair_instructions = 0;
    qr_port_timer_start();
    pair_instructions = (uint32_t)qr_port_timer_stop();
    qr_cortexm_demand_icount();
}

static void serial_init(void)
{
    uint32_t divisor = (8 * QR_CPU_HZ / QR_BAUD + 1) / 2; /* of 16 times the rate, in 64ths */

    UART0_IBRD = divisor / 64;
    UART0_FBRD = divisor % 64;
    UART0_LCRH = UART_LCRH_WLEN_8;
    UART0_IM = UART_IM_RXIM;
    UART0_CTL = UART_CTL_UARTEN | UART_CTL_TXE | UART_CTL_RXE;
    qr_cortexm_enable(UART0_IRQ);
}

/* see port.h */
void qr_port_init(void)
{
    RCC = (RCC & ~RCC_SYSDIV_MASK) | RCC_USESYSDIV | (PLL_HZ / QR_CPU_HZ - 1) << RCC_SYSDIV_POS;
    counter_init();
    serial_init();
}

/* see port.h */
void qr_port_putc(uint8_t byte)
{
    while (UART0_FR & UART_FR_TXFF) {
    }
    UART0_DR = byte;
}

/* see port.h */
void qr_port_flush(void)
{
    while (UART0_FR & UART_FR_BUSY) {
    }
}

/* see port.h; noinline: the calibration must time the very same code */
__attribute__((noinline)) void qr_port_timer_start(void)
{
    start_seconds = GPTM0_TAR;
    start_fine = WDTVALUE;
}

/* see port.h */
__attribute__((noinline)) uint64_t qr_port_timer_stop(void)
{
    uint32_t fine = start_fine - WDTVALUE;
    uint32_t seconds = GPTM0_TAR - start_seconds;
    uint64_t ticks = qr_cortexm_unwrap(fine, (uint64_t)seconds * QR_CPU_HZ);

    return qr_cortexm_instructions(ticks, TICK_NS) - pair_instructions;
}

/* see port.h */
uint8_t qr_port_counter(void)
{
    return QR_COUNTER_INSTRUCTIONS;
}

/* see port.h */
uint32_t qr_port_counter_hz(void)
{
    return 1000000000UL >> QR_CORTEXM_ICOUNT_SHIFT;
}

/* see port.h */
uint32_t qr_port_cpu_hz(void)
{
    return PLL_HZ / (((RCC & RCC_SYSDIV_MASK) >> RCC_SYSDIV_POS) + 1);
}
