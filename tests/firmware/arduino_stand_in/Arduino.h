/* SPDX-License-Identifier: Apache-2.0
 *
 * A stand-in for an Arduino core on the host: as much of its API as the port uses, with the names and types
 * of the real cores (arduino-esp32 2.0, STM32duino 2, ArduinoCore-mbed, Teensyduino). Serial is standard
 * input and output. Time is virtual: it passes only where somebody spends it.
 */
#ifndef ARDUINO_STAND_IN_H
#define ARDUINO_STAND_IN_H

#include <stddef.h>
#include <stdint.h>

unsigned long micros(void);
unsigned long millis(void);
void delay(unsigned long ms);
#define HIGH 1
#define LOW 0
#define OUTPUT 1
void pinMode(uint8_t pin, uint8_t mode);
void digitalWrite(uint8_t pin, uint8_t level);
void setup(void);
void loop(void);

#ifdef ARDUINO_ARCH_ESP32
typedef enum {
    UART_NO_ERROR,
    UART_BREAK_ERROR,
    UART_BUFFER_FULL_ERROR,
    UART_FIFO_OVF_ERROR,
    UART_FRAME_ERROR,
    UART_PARITY_ERROR
} hardwareSerial_error_t;
typedef void (*OnReceiveErrorCb)(hardwareSerial_error_t);

class EspClass {
  public:
    uint32_t getCycleCount();
};
extern EspClass ESP;
uint32_t getCpuFrequencyMhz();
bool psramFound();

typedef void *TaskHandle_t;
typedef void (*TaskFunction_t)(void *);
typedef int BaseType_t;
typedef unsigned UBaseType_t;
typedef uint32_t TickType_t;
BaseType_t xTaskCreatePinnedToCore(TaskFunction_t code, const char *name, uint32_t stack_bytes, void *parameter,
                                   UBaseType_t priority, TaskHandle_t *created, BaseType_t core);
void vTaskDelay(TickType_t ticks);
void vTaskDelete(TaskHandle_t task);
UBaseType_t uxTaskGetStackHighWaterMark(TaskHandle_t task);
void disableCore0WDT();
#ifndef CONFIG_FREERTOS_UNICORE
void disableCore1WDT();
#endif
#endif

#if defined(ARDUINO_ARCH_STM32) || defined(ARDUINO_ARCH_MBED)
extern "C" uint32_t SystemCoreClock;
#endif
#ifdef TEENSYDUINO
extern "C" volatile uint32_t F_CPU_ACTUAL;
#endif

class StandInSerial {
  public:
    void begin(unsigned long baud);
    operator bool();
    int available();
    int read();
    size_t write(uint8_t byte);
    size_t write(const uint8_t *bytes, size_t count);
    void flush();
#ifdef ARDUINO_ARCH_ESP32
    void updateBaudRate(unsigned long baud);
    size_t setRxBufferSize(size_t bytes);
    void onReceiveError(OnReceiveErrorCb function);
#endif
};
extern StandInSerial Serial;

#endif
