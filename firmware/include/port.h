/* SPDX-License-Identifier: Apache-2.0
 *
 * port.h - THE seam. A board is supported when one file in src/ports/ defines every function
 * below; nothing else in the firmware knows the hardware. Functions, not a table of pointers:
 * the stack reserve is computed from the call graph, and an indirect call would hide an edge.
 */
#ifndef QR_PORT_H
#define QR_PORT_H

#include <stdint.h>

/* Constant data that must stay in flash (AVR would copy it to RAM). Read it with the accessors. */
#ifdef __AVR__
#include <avr/pgmspace.h>
#define QR_FLASH PROGMEM
#define QR_FLASH_U8(p) pgm_read_byte(p)
#define QR_FLASH_U32(p) pgm_read_dword(p)
#else
#define QR_FLASH
#define QR_FLASH_U8(p) (*(const uint8_t *)(p))
#define QR_FLASH_U32(p) (*(const uint32_t *)(p))
#endif

/* What times an inference; the number travels in HELLO (docs/PROTOCOL.md). */
enum qr_counter {
    QR_COUNTER_MONOTONIC = 1, /* host process: clock_gettime, nanoseconds */
    QR_COUNTER_CYCCNT = 2,    /* Cortex-M DWT, core clock */
    QR_COUNTER_TIM2 = 3,      /* STM32 TIM2, APB1 timer clock */
    QR_COUNTER_TIMER1 = 4,    /* AVR Timer1 without prescaler, CPU clock */
    /* emulators only: executed instructions, as the port works them out of the emulator's timer */
    QR_COUNTER_INSTRUCTIONS = 5,
    QR_COUNTER_MICROS = 6, /* micros() of an Arduino core: a clock of 1 MHz, not the CPU's */
    QR_COUNTER_CPU = 7     /* the CPU's cycle counter, as an Arduino core gives it */
};

/* Clocks to full speed, serial up, counter running, stack painted. Called once, first. */
void qr_port_init(void);

/* Next received byte (0..255), or -1 when none is waiting. Never blocks. */
int16_t qr_port_getc(void);

/* Nothing to do until a byte arrives: sleep, block or return at once. May return early. */
void qr_port_idle(void);

/* Sends one byte; blocks while the transmitter is full. */
void qr_port_putc(uint8_t byte);

/* Returns when the last bit of everything sent has left: no byte is on the wire while timing. */
void qr_port_flush(void);

/* Whether the line can run at `baud` bits per second, within 2 %. */
uint8_t qr_port_baud_possible(uint32_t baud);

/* From now on the line runs at `baud`, which is possible, or at its rate after reset where that is 0.
 * Everything sent has left (qr_port_flush); what is being received is lost. */
void qr_port_set_baud(uint32_t baud);

/* Received bytes that were lost (overrun, framing, full ring) since start; saturates. */
uint16_t qr_port_rx_lost(void);

/* A timed section: ticks between start and stop, with the cost of the pair itself and of the
 * port's own interrupts taken off. Sections do not nest. */
void qr_port_timer_start(void);
uint64_t qr_port_timer_stop(void);

/* Which counter times a section, and its nominal rate in Hz as read back from the hardware. */
uint8_t qr_port_counter(void);
uint32_t qr_port_counter_hz(void);

/* CPU clock in Hz as read back from the hardware (0 where that means nothing). */
uint32_t qr_port_cpu_hz(void);

/* What else this port knows of how the board runs, for the run's record: the character at `at` of a text
 * `key=value;key=value` in ASCII, 0 at its end (at most 200 characters). Keys: clock (hse, hsi, ...),
 * flash_ws, art, icache, dcache, psram. */
uint8_t qr_port_setting(uint8_t at);

/* The trigger pin for a power meter or a logic analyser: high from just before a timed section to just
 * after it. A port defines this only where the builder defines QR_TRIGGER_PIN. */
#ifdef QR_TRIGGER_PIN
void qr_port_trigger(uint8_t on);
#else
static inline void qr_port_trigger(uint8_t on)
{
    (void)on;
}
#endif

/* Deepest stack use in bytes since the last qr_port_stack_forget, by painting; 0 where it cannot be measured.
 * Below that, nothing is looked at beyond a gap of QR_STACK_GAP_BYTES. */
uint32_t qr_port_stack_used(void);

/* Paints again what is free below the caller. Does nothing where the mark is an operating system's. */
void qr_port_stack_forget(void);

/* No function has a frame of this size that it does not touch. */
#define QR_STACK_GAP_BYTES 512

#endif
