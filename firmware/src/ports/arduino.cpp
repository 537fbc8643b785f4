/* SPDX-License-Identifier: Apache-2.0
 *
 * Any board with an Arduino core: Serial, and setup() and loop() in place of main.c. Time is in
 * arduino_clock.cpp (AVR: avr_clock.c), the ESP32's task in arduino_task.cpp.
 *
 * Serial is called on the object, never through a pointer: where the core declares it by its own class
 * (AVR), the compiler sees whom it calls, and the stack bound holds.
 */
#include <Arduino.h>
#include <string.h>

extern "C" {
#include "arduino.h"
#include "bench.h"
#include "config.h"
#include "port.h"
#ifdef __AVR__
#include <avr/sleep.h>

#include "avr_clock.h"
#endif
}

#ifndef QR_START_BAUD
#define QR_START_BAUD 115200UL
#endif

#define TWO_BYTES_US(baud) (20000000UL / (baud) + 1)

#define BAUD_MIN 1200UL
#ifdef QR_ARDUINO_ESP32
#define BAUD_MAX 5000000UL
#else
#define BAUD_MAX 1000000UL
#endif

/* With native USB `Serial` is true once a host has opened the port; it may never do so. */
#define HOST_WAIT_MS 3000UL

#ifdef QR_ARDUINO_ESP32
static volatile uint16_t rx_lost;

static void on_receive_error(hardwareSerial_error_t error)
{
    if (error != UART_BREAK_ERROR && rx_lost != UINT16_MAX)
        rx_lost++;
}
#endif

#ifdef __AVR__
static uint32_t line_baud = QR_START_BAUD;
#else
/* A USB core makes a packet of each write: bytes are gathered. */
static uint8_t out[64];
static uint8_t out_used;
#ifndef QR_ARDUINO_UART
/* Somebody has spoken to us. Before, a USB core might wait long for somebody to take what it sends. */
static uint8_t spoken_to;
#endif

static void send_out(void)
{
#ifndef QR_ARDUINO_UART
    if (!spoken_to)
        out_used = 0;
#endif
    if (out_used != 0) {
        Serial.write(out, out_used);
        out_used = 0;
    }
}
#endif

#ifdef QR_TRIGGER_PIN
/* see port.h */
void qr_port_trigger(uint8_t on)
{
    digitalWrite(QR_TRIGGER_PIN, on ? HIGH : LOW);
}
#endif

/* see port.h */
void qr_port_init(void)
{
#ifdef QR_TRIGGER_PIN
    pinMode(QR_TRIGGER_PIN, OUTPUT);
#endif
    qr_arduino_clock_init();
#ifdef QR_ARDUINO_ESP32
    Serial.setRxBufferSize(QR_RX_RING_BYTES);
    Serial.onReceiveError(on_receive_error);
#endif
    Serial.begin(QR_START_BAUD);
#ifndef __AVR__
    for (uint32_t begun = millis(); !Serial && millis() - begun < HOST_WAIT_MS;)
        delay(1);
#endif
}

/* see port.h */
int16_t qr_port_getc(void)
{
    int16_t byte;

#ifndef __AVR__
    send_out();
#endif
    byte = (int16_t)Serial.read();
#ifndef QR_ARDUINO_UART
    spoken_to |= byte >= 0;
#endif
    return byte;
}

/* see port.h */
void qr_port_idle(void)
{
#if defined(__AVR__)
    /* the instruction after sei() runs before any interrupt: no byte slips in between test and sleep */
    cli();
    if (Serial.available() == 0) {
        set_sleep_mode(SLEEP_MODE_IDLE);
        sleep_enable();
        sei();
        sleep_cpu();
        sleep_disable();
    }
    sei();
#elif defined(QR_ARDUINO_ESP32)
    /* feeds the watchdog: the idle task of this core gets its turn */
    vTaskDelay(1);
#endif
}

/* see port.h */
void qr_port_putc(uint8_t byte)
{
#ifdef __AVR__
    Serial.write(byte);
#else
    out[out_used++] = byte;
    if (out_used == sizeof out)
        send_out();
#endif
}

/* see port.h */
void qr_port_flush(void)
{
#ifdef __AVR__
    /* Not Serial.flush(): it waits for TXC, which simavr 1.6 may set between the core's write of a byte and
     * its clearing of TXC, and then never again. Behind an empty buffer are two bytes at most. */
    while (Serial.HardwareSerial::availableForWrite() < SERIAL_TX_BUFFER_SIZE - 1) {
    }
    delayMicroseconds(TWO_BYTES_US(line_baud));
#else
    send_out();
    Serial.flush();
#endif
}

#ifndef __AVR__ /* avr_baud.c */
/* see port.h; the divisors of a UART are a core's secret, but an ESP32's are in 16ths of a clock of 80 MHz,
 * and whole numbers from 25 on, which any STM32 has at a megabaud, are off by 2 % at most */
uint8_t qr_port_baud_possible(uint32_t baud)
{
#if defined(QR_ARDUINO_UART)
    return baud >= BAUD_MIN && baud <= BAUD_MAX;
#else
    (void)baud;
    return 0;
#endif
}
#endif

/* see port.h */
void qr_port_set_baud(uint32_t baud)
{
    uint32_t rate = baud ? baud : QR_START_BAUD;

#ifdef __AVR__
    line_baud = rate;
#endif
#if defined(QR_ARDUINO_ESP32)
    Serial.updateBaudRate(rate);
#elif defined(QR_ARDUINO_UART)
    Serial.begin(rate);
#else
    (void)rate;
#endif
}

/* see port.h; most cores drop bytes without a word */
uint16_t qr_port_rx_lost(void)
{
#ifdef QR_ARDUINO_ESP32
    return rx_lost;
#else
    return 0;
#endif
}

/* see port.h */
uint8_t qr_port_setting(uint8_t at)
{
#ifdef QR_ARDUINO_ESP32
    const char *text = psramFound() ? "psram=on" : "psram=off";

    return at < strlen(text) ? (uint8_t)text[at] : 0;
#else
    (void)at;
    return 0;
#endif
}

#ifdef QR_ARDUINO_TIMER1
/* see arduino.h */
void qr_arduino_clock_init(void)
{
    qr_avr_clock_init();
}
#endif

void setup(void)
{
#ifdef QR_ARDUINO_ESP32
    qr_arduino_start_task();
#else
    qr_port_init();
    qr_bench_init();
#endif
}

void loop(void)
{
#ifdef QR_ARDUINO_ESP32
    vTaskDelete(NULL); /* the core's own task has nothing to do */
#else
    qr_bench_poll();
#endif
}
