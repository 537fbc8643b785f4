/* SPDX-License-Identifier: Apache-2.0
 *
 * STM32F405, F407 and F446, bare metal: serial on USART2 (PA2, PA3; the virtual port of a Nucleo's
 * ST-Link) through an interrupt-fed ring, time from the core's cycle counter.
 *
 * The same binary runs in QEMU's netduinoplus2, which has neither clock tree nor CYCCNT: there it stays
 * on the internal oscillator's 16 MHz and counts with TIM2. Both counters have 32 bits and may wrap
 * within a section (25 s at 168 MHz); TIM5, 65536 times slower, tells how often.
 */
#include "baud.h"
#include "cortexm.h"
#include "port.h"
#include "stm32f4.h"
#include "stm32f4_regs.h"

#ifndef QR_START_BAUD
#define QR_START_BAUD 115200UL
#endif

#define COARSE_PRESCALER 65536u

static struct qr_stm32f4_clocks clocks;
static char settings[QR_STM32F4_SETTINGS_BYTES];
static uint8_t counter;
/* Ticks of the section counter per tick of TIM5: the CPU and the APB1 timers may differ in clock. */
static uint32_t coarse_ticks;
static uint32_t pair_ticks;
static uint32_t start_coarse, start_fine;

/* see cortexm.h */
void Serial_IRQHandler(void)
{
    uint32_t status = USART2_SR;
    uint8_t byte = (uint8_t)USART2_DR; /* this read also clears the errors */

    if (status & USART_SR_RXNE)
        qr_cortexm_received(byte);
    if (status & (USART_SR_ORE | USART_SR_FE))
        qr_cortexm_lost();
}

static void serial_init(void)
{
    RCC_AHB1ENR |= RCC_AHB1ENR_GPIOA;
    RCC_APB1ENR |= RCC_APB1ENR_USART2;
    (void)RCC_APB1ENR;
    /* the line idles high: the pull-up of RX keeps an open cable quiet */
    GPIOA_PUPDR = (GPIOA_PUPDR & ~(3u << 6)) | 1u << 6;
    GPIOA_OSPEEDR = (GPIOA_OSPEEDR & ~(3u << 4)) | 1u << 4;
    GPIOA_AFRL = (GPIOA_AFRL & ~(0xFFu << 8)) | 0x77u << 8;
    GPIOA_MODER = (GPIOA_MODER & ~(0xFu << 4)) | 0xAu << 4;
    qr_port_set_baud(0);
    USART2_CR1 = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE | USART_CR1_RXNEIE;
    qr_cortexm_enable(USART2_IRQ);
}

#ifdef QR_TRIGGER_PIN /* 16 for each bank before its own, and its number there */
#define TRIGGER_BANK (QR_TRIGGER_PIN / 16u)
#define TRIGGER_NUMBER (QR_TRIGGER_PIN % 16u)

/* see port.h */
void qr_port_trigger(uint8_t on)
{
    GPIO_BSRR(TRIGGER_BANK) = 1u << (TRIGGER_NUMBER + (on ? 0 : GPIO_BSRR_RESET));
}

static void trigger_init(void)
{
    RCC_AHB1ENR |= 1u << TRIGGER_BANK;
    (void)RCC_AHB1ENR;
    qr_port_trigger(0);
    GPIO_MODER(TRIGGER_BANK) =
        (GPIO_MODER(TRIGGER_BANK) & ~(3u << 2 * TRIGGER_NUMBER)) | GPIO_MODER_OUTPUT << 2 * TRIGGER_NUMBER;
}
#endif

static void timer_init(uint32_t base, uint32_t prescaler)
{
    TIM_PSC(base) = prescaler - 1;
    TIM_ARR(base) = UINT32_MAX;
    TIM_EGR(base) = TIM_EGR_UG;
    TIM_CR1(base) = TIM_CR1_CEN;
}

static uint8_t cyccnt_runs(void)
{
    uint32_t before;

    DEMCR |= DEMCR_TRCENA;
    DWT_CYCCNT = 0;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
    before = DWT_CYCCNT;
    __asm__ volatile("nop\n\tnop\n\tnop\n\tnop");
    return DWT_CYCCNT != before;
}

static void counter_init(void)
{
    RCC_APB1ENR |= RCC_APB1ENR_TIM2 | RCC_APB1ENR_TIM5;
    (void)RCC_APB1ENR;
    timer_init(TIM2_BASE, 1);
    timer_init(TIM5_BASE, COARSE_PRESCALER);
    coarse_ticks = COARSE_PRESCALER;
    counter = QR_COUNTER_TIM2;
    if (cyccnt_runs()) {
        counter = QR_COUNTER_CYCCNT;
        coarse_ticks *= clocks.hclk_hz / clocks.tim_apb1_hz;
    }
    pair_ticks = 0;
    /* the first pair only brings the code into the flash cache, as it is later */
    qr_port_timer_start();
    (void)qr_port_timer_stop();
    qr_port_timer_start();
    pair_ticks = (uint32_t)qr_port_timer_stop();
}

/* see port.h */
void qr_port_init(void)
{
    clocks = qr_stm32f4_full_speed();
    qr_stm32f4_describe(settings);
    /* calibrated before the receiver is on: its interrupt would count as overhead */
    counter_init();
    serial_init();
#ifdef QR_TRIGGER_PIN
    trigger_init();
#endif
}

/* see port.h */
void qr_port_putc(uint8_t byte)
{
    while (!(USART2_SR & USART_SR_TXE)) {
    }
    USART2_DR = byte;
}

/* see port.h; after reset the transmitter says so by itself */
void qr_port_flush(void)
{
    while (!(USART2_SR & USART_SR_TC)) {
    }
}

/* The clock of USART2 divided for `baud`, which is not 0, rounded. */
static uint32_t divisor(uint32_t baud)
{
    return (clocks.pclk1_hz + baud / 2) / baud;
}

/* see port.h */
uint8_t qr_port_baud_possible(uint32_t baud)
{
    uint32_t by;

    if (baud == 0 || baud > clocks.pclk1_hz / USART_BRR_MIN)
        return 0;
    by = divisor(baud);
    return by <= USART_BRR_MAX && qr_baud_near(clocks.pclk1_hz / by, baud);
}

/* see port.h */
void qr_port_set_baud(uint32_t baud)
{
    USART2_BRR = divisor(baud ? baud : QR_START_BAUD);
}

/* see port.h; noinline: the calibration must time the very same code */
__attribute__((noinline)) void qr_port_timer_start(void)
{
    start_coarse = TIM_CNT(TIM5_BASE);
    if (counter == QR_COUNTER_CYCCNT) {
        __asm__ volatile("dsb\n\tisb" ::: "memory");
        start_fine = DWT_CYCCNT;
    } else {
        start_fine = TIM_CNT(TIM2_BASE);
    }
}

/* see port.h */
__attribute__((noinline)) uint64_t qr_port_timer_stop(void)
{
    uint32_t fine, coarse;

    if (counter == QR_COUNTER_CYCCNT) {
        __asm__ volatile("dsb\n\tisb" ::: "memory");
        fine = DWT_CYCCNT - start_fine;
    } else {
        fine = TIM_CNT(TIM2_BASE) - start_fine;
    }
    coarse = TIM_CNT(TIM5_BASE) - start_coarse;
    return qr_cortexm_unwrap(fine, (uint64_t)coarse * coarse_ticks) - pair_ticks;
}

/* see port.h */
uint8_t qr_port_setting(uint8_t at)
{
    return at < sizeof settings ? (uint8_t)settings[at] : 0;
}

/* see port.h */
uint8_t qr_port_counter(void)
{
    return counter;
}

/* see port.h */
uint32_t qr_port_counter_hz(void)
{
    return counter == QR_COUNTER_CYCCNT ? clocks.hclk_hz : clocks.tim_apb1_hz;
}

/* see port.h */
uint32_t qr_port_cpu_hz(void)
{
    return clocks.hclk_hz;
}
