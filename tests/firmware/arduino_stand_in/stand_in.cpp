/* SPDX-License-Identifier: Apache-2.0
 *
 * The stand-in core. What the port asks of it is noted on standard error, a line each. A firmware that lets
 * more bytes wait than the core's buffer holds would lose some on a board: here it ends with code 3.
 *
 * STAND_IN_START   cycles on the clock at the start
 * STAND_IN_NO_HOST nobody opens the native USB port
 * STAND_IN_PSRAM   the board has external memory
 * STAND_IN_ERRORS  receive errors that the core reports after begin()
 */
#include "Arduino.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CALL_CYCLES 7 /* reading a clock takes time as well */
#define LOST_BYTES_EXIT 3

static uint64_t now;
static size_t buffer_bytes = 64;

static uint64_t setting(const char *name)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : 0;
}

#ifdef STAND_IN_DWT
/* The registers lie where they lie on a chip. */
static volatile uint32_t *const demcr = (uint32_t *)0xE000EDFC;
static volatile uint32_t *const dwt_ctrl = (uint32_t *)0xE0001000;
static volatile uint32_t *const dwt_cyccnt = (uint32_t *)0xE0001004;
static volatile uint32_t *const dwt_lar = (uint32_t *)0xE0001FB0;

static void map(uintptr_t page)
{
    void *at = mmap((void *)page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (at != (void *)page)
        abort();
}

static void count(uint64_t cycles)
{
    if ((*demcr & 1U << 24) && (*dwt_ctrl & 1) && *dwt_lar == 0xC5ACCE55)
        *dwt_cyccnt += (uint32_t)cycles;
}
#else
static void count(uint64_t cycles)
{
    (void)cycles;
}
#endif

/* The model's work. */
extern "C" void stand_in_spend(uint64_t cycles)
{
    now += cycles;
    count(cycles);
}

unsigned long micros(void)
{
    stand_in_spend(CALL_CYCLES);
    return (uint32_t)(now / (F_CPU / 1000000));
}

unsigned long millis(void)
{
    return micros() / 1000;
}

void delay(unsigned long ms)
{
    stand_in_spend((uint64_t)ms * (F_CPU / 1000));
}

#if defined(ARDUINO_ARCH_STM32) || defined(ARDUINO_ARCH_MBED)
uint32_t SystemCoreClock = F_CPU;
#endif
#ifdef TEENSYDUINO
volatile uint32_t F_CPU_ACTUAL = F_CPU;
#endif

#ifdef ARDUINO_ARCH_ESP32
EspClass ESP;
static TaskFunction_t task;
static OnReceiveErrorCb on_error;
static int begun;

uint32_t EspClass::getCycleCount()
{
    uint32_t read = (uint32_t)now;

    stand_in_spend(CALL_CYCLES);
    return read;
}

uint32_t getCpuFrequencyMhz()
{
    return F_CPU / 1000000;
}

BaseType_t xTaskCreatePinnedToCore(TaskFunction_t code, const char *name, uint32_t stack_bytes, void *parameter,
                                   UBaseType_t priority, TaskHandle_t *created, BaseType_t core)
{
    (void)parameter;
    (void)created;
    fprintf(stderr, "task %s core=%d stack=%u priority=%u\n", name, core, stack_bytes, priority);
    task = code;
    return 1;
}

void vTaskDelay(TickType_t ticks)
{
    delay(ticks);
}

/* The core's own task ends: the scheduler takes the next one. */
void vTaskDelete(TaskHandle_t which)
{
    if (which == NULL && task)
        task(NULL);
    abort();
}

UBaseType_t uxTaskGetStackHighWaterMark(TaskHandle_t which)
{
    (void)which;
    return 15000;
}

void disableCore0WDT()
{
    fprintf(stderr, "watchdog off core=0\n");
}

#ifndef CONFIG_FREERTOS_UNICORE
void disableCore1WDT()
{
    fprintf(stderr, "watchdog off core=1\n");
}
#endif

bool psramFound()
{
    return setting("STAND_IN_PSRAM") != 0;
}

void StandInSerial::updateBaudRate(unsigned long baud)
{
    fprintf(stderr, "rate %lu\n", baud);
}

size_t StandInSerial::setRxBufferSize(size_t bytes)
{
    if (begun) /* the real one refuses */
        return 0;
    buffer_bytes = bytes;
    return bytes;
}

void StandInSerial::onReceiveError(OnReceiveErrorCb function)
{
    on_error = function;
}
#endif

void pinMode(uint8_t pin, uint8_t mode)
{
    fprintf(stderr, "pin %d mode %d\n", pin, mode);
}

void digitalWrite(uint8_t pin, uint8_t level)
{
    fprintf(stderr, "pin %d level %d\n", pin, level);
}

StandInSerial Serial;

void StandInSerial::begin(unsigned long baud)
{
    fprintf(stderr, "begin %lu buffer=%zu\n", baud, buffer_bytes);
#ifdef ARDUINO_ARCH_ESP32
    begun = 1;
    if (on_error) {
        on_error(UART_BREAK_ERROR);
        for (uint64_t i = setting("STAND_IN_ERRORS"); i > 0; i--)
            on_error(UART_BUFFER_FULL_ERROR);
    }
#endif
}

StandInSerial::operator bool()
{
    return !setting("STAND_IN_NO_HOST");
}

int StandInSerial::available()
{
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    int waiting = 0;

    poll(&input, 1, 1);
    ioctl(STDIN_FILENO, FIONREAD, &waiting);
    if (waiting == 0 && (input.revents & POLLHUP))
        exit(0);
    if (waiting >= (int)buffer_bytes)
        exit(LOST_BYTES_EXIT);
    return waiting;
}

int StandInSerial::read()
{
    uint8_t byte;

    return available() && ::read(STDIN_FILENO, &byte, 1) == 1 ? byte : -1;
}

size_t StandInSerial::write(uint8_t byte)
{
    return write(&byte, 1);
}

size_t StandInSerial::write(const uint8_t *bytes, size_t count)
{
    ssize_t wrote = ::write(STDOUT_FILENO, bytes, count);

    if (wrote < 0)
        exit(0);
    return (size_t)wrote;
}

void StandInSerial::flush()
{
}

int main()
{
#ifdef STAND_IN_DWT
    map(0xE0001000);
    map(0xE000E000);
#endif
    stand_in_spend(setting("STAND_IN_START"));
    setup();
#ifdef STAND_IN_DWT
    /* a chip's counter runs from the start: here it stood still until it was switched on */
    *dwt_cyccnt = (uint32_t)setting("STAND_IN_START");
#endif
    for (;;)
        loop();
}
