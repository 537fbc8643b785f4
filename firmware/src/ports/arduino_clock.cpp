/* SPDX-License-Identifier: Apache-2.0
 *
 * Time on cores without a clock of their own kind: a 32-bit counter, told apart from its wraps by micros().
 * The core's interrupts (its millisecond tick) run within a section and are part of its ticks.
 */
#include <Arduino.h>

extern "C" {
#include "arduino.h"
#include "port.h"
}

#ifndef QR_ARDUINO_TIMER1

#ifdef QR_ARDUINO_DWT
#define QR_DEMCR (*(volatile uint32_t *)0xE000EDFC)
#define QR_DEMCR_TRCENA (1UL << 24)
#define QR_DWT_CTRL (*(volatile uint32_t *)0xE0001000)
#define QR_DWT_CTRL_CYCCNTENA (1UL << 0)
#define QR_DWT_CYCCNT (*(volatile uint32_t *)0xE0001004)
#define QR_DWT_LAR (*(volatile uint32_t *)0xE0001FB0)
#define QR_DWT_LAR_KEY 0xC5ACCE55UL
#endif

#define MICROS_HZ 1000000UL

static uint32_t start_count;
static uint32_t start_us;
static uint32_t pair_ticks;

static inline uint32_t read_counter(void)
{
#if defined(QR_ARDUINO_ESP32)
    return ESP.getCycleCount();
#elif defined(QR_ARDUINO_DWT)
    return QR_DWT_CYCCNT;
#else
    return (uint32_t)micros();
#endif
}

/* see arduino.h */
void qr_arduino_clock_init(void)
{
#ifdef QR_ARDUINO_DWT
    QR_DEMCR |= QR_DEMCR_TRCENA;
    QR_DWT_LAR = QR_DWT_LAR_KEY; /* a Cortex-M7 keeps it locked; elsewhere the write is ignored */
    QR_DWT_CTRL |= QR_DWT_CTRL_CYCCNTENA;
#endif
    pair_ticks = UINT32_MAX;
    /* the shortest of a few: an interrupt may fall into one */
    for (uint8_t i = 0; i < 8; i++) {
        uint32_t before = pair_ticks;
        uint32_t ticks;

        pair_ticks = 0;
        qr_port_timer_start();
        ticks = (uint32_t)qr_port_timer_stop();
        pair_ticks = ticks < before ? ticks : before;
    }
}

/* see port.h; noinline: the calibration must time the very same code */
__attribute__((noinline)) void qr_port_timer_start(void)
{
    start_us = (uint32_t)micros();
    start_count = read_counter();
}

/* see port.h */
__attribute__((noinline)) uint64_t qr_port_timer_stop(void)
{
    uint32_t low = read_counter() - start_count;
    uint32_t us = (uint32_t)micros() - start_us;
    /* right to within half a turn of the counter, which is seconds: this finds the turns */
    uint64_t estimate = (uint64_t)us * (qr_port_counter_hz() / MICROS_HZ);
    uint64_t ticks = estimate + (int32_t)(low - (uint32_t)estimate);

    return ticks > pair_ticks ? ticks - pair_ticks : 0;
}

/* see port.h */
uint8_t qr_port_counter(void)
{
#if defined(QR_ARDUINO_ESP32)
    return QR_COUNTER_CPU;
#elif defined(QR_ARDUINO_DWT)
    return QR_COUNTER_CYCCNT;
#else
    return QR_COUNTER_MICROS;
#endif
}

/* see port.h */
uint32_t qr_port_counter_hz(void)
{
#ifdef QR_ARDUINO_MICROS
    return MICROS_HZ;
#else
    return qr_port_cpu_hz();
#endif
}

/* see port.h */
uint32_t qr_port_cpu_hz(void)
{
#if defined(QR_ARDUINO_ESP32)
    return getCpuFrequencyMhz() * 1000000UL;
#elif defined(TEENSYDUINO) && defined(__IMXRT1062__)
    return F_CPU_ACTUAL;
#elif defined(ARDUINO_ARCH_STM32) || defined(ARDUINO_ARCH_MBED)
    return SystemCoreClock;
#else
    return F_CPU;
#endif
}

#ifndef QR_ARDUINO_ESP32
/* see port.h; whose stack this is, and where it ends, only the core knows */
uint32_t qr_port_stack_used(void)
{
    return 0;
}

/* see port.h */
void qr_port_stack_forget(void)
{
}
#endif

#endif
