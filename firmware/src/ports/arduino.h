/* SPDX-License-Identifier: Apache-2.0
 *
 * arduino.h - what the parts of the Arduino port share, and which of its clocks a core gets:
 *   AVR             avr_clock.c, Timer1: the very clock of the bare-metal port
 *   ESP32 family    the CPU's cycle counter, as the core reads it
 *   Cortex-M3 on    the DWT's cycle counter, by its address, which is the same on every chip
 *   everything else micros()
 */
#ifndef QR_ARDUINO_H
#define QR_ARDUINO_H

#include <stdint.h>

#if defined(__AVR__)
#define QR_ARDUINO_TIMER1 1
#elif defined(ARDUINO_ARCH_ESP32)
#define QR_ARDUINO_ESP32 1
#elif defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__) || defined(__ARM_ARCH_8M_MAIN__)
#define QR_ARDUINO_DWT 1
#else
#define QR_ARDUINO_MICROS 1
#endif

/* Starts the section clock. Called before the serial port is. */
void qr_arduino_clock_init(void);

/* Serial is a UART, whose rate is one, and not native USB. */
#if defined(__AVR__) || (defined(ARDUINO_ARCH_ESP32) && !ARDUINO_USB_CDC_ON_BOOT) \
    || (defined(ARDUINO_ARCH_STM32) && !defined(USBD_USE_CDC))
#define QR_ARDUINO_UART 1
#endif

#ifdef QR_ARDUINO_ESP32
/* Runs `qr_port_init`, then serves for ever, in a task of its own on one core. */
void qr_arduino_start_task(void);
#endif

#endif
