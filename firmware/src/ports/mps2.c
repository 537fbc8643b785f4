/* SPDX-License-Identifier: Apache-2.0
 *
 * QEMU's mps2-an386 (Cortex-M4) and mps2-an500 (Cortex-M7), bare metal: serial on UART0 through an
 * interrupt-fed ring, executed instructions from the dual timer at 25 MHz.
 *
 * For the emulator alone: on the board that QEMU models, a tick would be a cycle, and start-up would stop
 * at the proof that it is not. The fine counter wraps after 172 s of virtual time (1.3e9 instructions);
 * the coarse one, 256 times slower, tells how often.
 */
#include "baud.h"
#include "cortexm.h"
#include "mps2_regs.h"
#include "port.h"

#ifndef QR_START_BAUD
#define QR_START_BAUD 115200UL
#endif

#define TICK_NS (1000000000UL / QR_CPU_HZ)
#define COARSE_TICKS 256u
/* Of -icount: 3.2 ticks per instruction. With 6 it would be 1.6, and a count could be off by one. */
#define ICOUNT_SHIFT 7

_Static_assert(TICK_NS * QR_CPU_HZ == 1000000000UL, "a tick must be a whole number of ns");

static uint32_t pair_instructions;
static uint32_t start_coarse, start_fine;

/* see cortexm.h */
void Serial_IRQHandler(void)
{
    uint32_t state = UART0_STATE;

    UART0_INTCLEAR = UART_INT_RX;
    if (state & UART_STATE_RXFULL)
        qr_cortexm_received((uint8_t)UART0_DATA);
    if (state & UART_STATE_RXOVERRUN) {
        UART0_STATE = UART_STATE_RXOVERRUN;
        qr_cortexm_lost();
    }
}

static void counter_init(void)
{
    FINE_CONTROL = DUALTIMER_32BIT | DUALTIMER_ENABLE;
    COARSE_CONTROL = DUALTIMER_32BIT | DUALTIMER_BY_256 | DUALTIMER_ENABLE;
    pair_instructions = 0;
    qr_port_timer_start();
    pair_instructions = (uint32_t)qr_port_timer_stop();
    qr_cortexm_demand_icount();
}

/* see port.h */
void qr_port_init(void)
{
    counter_init();
    qr_port_set_baud(0);
    UART0_CTRL = UART_CTRL_TXEN | UART_CTRL_RXEN | UART_CTRL_RXINTEN;
    qr_cortexm_enable(UART0_RX_IRQ);
}

/* see port.h */
void qr_port_putc(uint8_t byte)
{
    while (UART0_STATE & UART_STATE_TXFULL) {
    }
    UART0_DATA = byte;
}

/* see port.h */
void qr_port_flush(void)
{
    while (UART0_STATE & UART_STATE_TXFULL) {
    }
}

/* The clock divided for `baud`, which is not 0, rounded. */
static uint32_t divisor(uint32_t baud)
{
    return (QR_CPU_HZ + baud / 2) / baud;
}

/* see port.h */
uint8_t qr_port_baud_possible(uint32_t baud)
{
    if (baud == 0 || baud > QR_CPU_HZ / UART_BAUDDIV_MIN)
        return 0;
    return qr_baud_near(QR_CPU_HZ / divisor(baud), baud);
}

/* see port.h */
void qr_port_set_baud(uint32_t baud)
{
    UART0_BAUDDIV = divisor(baud ? baud : QR_START_BAUD);
}

/* see port.h; noinline: the calibration must time the very same code */
__attribute__((noinline)) void qr_port_timer_start(void)
{
    start_coarse = COARSE_VALUE;
    start_fine = FINE_VALUE;
}

/* see port.h */
__attribute__((noinline)) uint64_t qr_port_timer_stop(void)
{
    uint32_t fine = start_fine - FINE_VALUE;
    uint32_t coarse = start_coarse - COARSE_VALUE;
    uint64_t ticks = qr_cortexm_unwrap(fine, (uint64_t)coarse * COARSE_TICKS);

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

/* see port.h; fixed, with no register that tells */
uint32_t qr_port_cpu_hz(void)
{
    return QR_CPU_HZ;
}

/* see port.h; an emulated machine has none */
uint8_t qr_port_setting(uint8_t at)
{
    (void)at;
    return 0;
}
