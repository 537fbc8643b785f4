/* SPDX-License-Identifier: Apache-2.0
 *
 * QEMU's lm3s6965evb (Cortex-M3: no FPU, no DSP instructions), bare metal: serial on UART0 through an
 * interrupt-fed ring, executed instructions from SysTick.
 *
 * For the emulator alone, which has neither pins nor clock gates. SysTick has 24 bits: at the slow clock
 * that the chip starts with they last 1.34 s of virtual time (5.2e6 instructions). Seconds tell how often it
 * wrapped: QEMU lets a general timer be read as nothing finer. They are restarted with each section, so they
 * are right within half a turn.
 */
#include "baud.h"
#include "cortexm.h"
#include "lm3s_regs.h"
#include "port.h"

#ifndef QR_START_BAUD
#define QR_START_BAUD 115200UL
#endif

#define TICK_NS (1000000000UL / QR_CPU_HZ)
/* Of -icount: 3.2 ticks per instruction. */
#define ICOUNT_SHIFT 8
#define SYST_SHIFT (32 - SYST_BITS)

_Static_assert(TICK_NS * QR_CPU_HZ == 1000000000UL, "a tick must be a whole number of ns");
_Static_assert((1UL << SYST_BITS) > QR_CPU_HZ + QR_CPU_HZ / 4, "a turn of SysTick must outlast a second");

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

/* The clock in 64ths, divided for 16 times `baud`, which is not 0, rounded. */
static uint32_t divisor(uint32_t baud)
{
    return (8 * QR_CPU_HZ / baud + 1) / 2;
}

static void counter_init(void)
{
    GPTM0_CFG = GPTM_CFG_RTC;
    GPTM0_TAMATCHR = UINT32_MAX;
    SYST_RVR = (1u << SYST_BITS) - 1;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_CPU_CLOCK | SYST_CSR_ENABLE;
    pair_instructions = 0;
    qr_port_timer_start();
    pair_instructions = (uint32_t)qr_port_timer_stop();
    qr_cortexm_demand_icount();
}

static void serial_init(void)
{
    UART0_IM = UART_IM_RXIM;
    qr_port_set_baud(0);
    qr_cortexm_enable(UART0_IRQ);
}

/* see port.h */
void qr_port_init(void)
{
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

/* see port.h */
uint8_t qr_port_baud_possible(uint32_t baud)
{
    uint32_t by;

    if (baud == 0 || baud > QR_CPU_HZ / 16)
        return 0;
    by = divisor(baud);
    return by <= UART_BRD_MAX && qr_baud_near(4 * QR_CPU_HZ / by, baud);
}

/* see port.h; the divisor is taken over with the write to LCRH */
void qr_port_set_baud(uint32_t baud)
{
    uint32_t by = divisor(baud ? baud : QR_START_BAUD);

    UART0_CTL = 0;
    UART0_IBRD = by / 64;
    UART0_FBRD = by % 64;
    UART0_LCRH = UART_LCRH_WLEN_8;
    UART0_CTL = UART_CTL_UARTEN | UART_CTL_TXE | UART_CTL_RXE;
}

/* see port.h; noinline: the calibration must time the very same code */
__attribute__((noinline)) void qr_port_timer_start(void)
{
    start_seconds = GPTM0_TAR;
    GPTM0_CTL = 0;
    GPTM0_CTL = GPTM_CTL_TAEN;
    start_fine = SYST_CVR;
}

/* see port.h */
__attribute__((noinline)) uint64_t qr_port_timer_stop(void)
{
    uint32_t fine = (start_fine - SYST_CVR) << SYST_SHIFT;
    uint32_t seconds = GPTM0_TAR - start_seconds;
    uint64_t estimate = (uint64_t)seconds * QR_CPU_HZ + QR_CPU_HZ / 2;
    uint64_t ticks = qr_cortexm_unwrap(fine, estimate << SYST_SHIFT) >> SYST_SHIFT;

    return qr_cortexm_instructions(ticks, TICK_NS, ICOUNT_SHIFT) - pair_instructions;
}

/* see port.h */
uint8_t qr_port_counter(void)
{
    return QR_COUNTER_INSTRUCTIONS;
}

/* see port.h */
uint32_t qr_port_counter_hz(void)
{
    return 1000000000UL >> ICOUNT_SHIFT;
}

/* see port.h */
uint32_t qr_port_cpu_hz(void)
{
    return PLL_HZ / ((RCC >> RCC_SYSDIV_POS & RCC_SYSDIV_BITS) + 1);
}

/* see port.h; an emulated machine has none */
uint8_t qr_port_setting(uint8_t at)
{
    (void)at;
    return 0;
}
