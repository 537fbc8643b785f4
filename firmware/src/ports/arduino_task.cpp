/* SPDX-License-Identifier: Apache-2.0
 *
 * ESP32: the benchmark in a task of its own, pinned to the core that Wi-Fi and the system's tasks leave
 * alone (core 0 where there is no other).
 */
#include <Arduino.h>

extern "C" {
#include "arduino.h"
#include "bench.h"
#include "port.h"
}

#ifdef QR_ARDUINO_ESP32

#ifndef QR_TASK_STACK_BYTES
#define QR_TASK_STACK_BYTES 16384
#endif

#ifdef CONFIG_FREERTOS_UNICORE
#define TASK_CORE 0
#else
#define TASK_CORE 1
#endif
#define TASK_PRIORITY 2 /* above the idle task and Arduino's own */

static void serve(void *unused)
{
    (void)unused;
    /* an inference may keep this core from its idle task for longer than the watchdog allows */
#ifdef CONFIG_FREERTOS_UNICORE
    disableCore0WDT();
#else
    disableCore1WDT();
#endif
    qr_port_init();
    qr_bench_init();
    for (;;)
        qr_bench_poll();
}

/* see arduino.h */
void qr_arduino_start_task(void)
{
    xTaskCreatePinnedToCore(serve, "quantrig", QR_TASK_STACK_BYTES, NULL, TASK_PRIORITY, NULL, TASK_CORE);
}

/* see port.h; Espressif's FreeRTOS counts stack in bytes */
uint32_t qr_port_stack_used(void)
{
    return QR_TASK_STACK_BYTES - (uint32_t)uxTaskGetStackHighWaterMark(NULL);
}

/* see port.h; the mark is FreeRTOS's */
void qr_port_stack_forget(void)
{
}

#endif
