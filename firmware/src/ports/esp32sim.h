/* SPDX-License-Identifier: Apache-2.0
 *
 * esp32sim.h - what the files of the ESP32 port for QEMU share, assembly included.
 */
#ifndef QR_ESP32SIM_H
#define QR_ESP32SIM_H

/* What free memory is filled with before main; the deepest word that differs was once stack. */
#define QR_ESP32SIM_STACK_PAINT 0xC5A5C5A5

/* simcall: the emulator's system calls (QEMU, target/xtensa/xtensa-semi.c). */
#define QR_SIM_EXIT 1
#define QR_SIM_READ 3
#define QR_SIM_WRITE 4
#define QR_SIM_SELECT_ONE 29
#define QR_SIM_SELECT_READ 1

/* Exit code of an exception while another one is reported: this plus EXCCAUSE. */
#define QR_ESP32SIM_FATAL 64

/* CCOMPARE0's interrupt: number and level are the same on the ESP32. */
#define QR_ESP32SIM_TIMER_BIT 6

/* Offsets into struct qr_esp32sim_traps, for the handler. */
#define QR_TRAP_MULTIPLIES 64
#define QR_TRAP_HALVES 68
#define QR_TRAP_PC 72
#define QR_TRAP_PS 76
#define QR_TRAP_OPCODE 80
#define QR_TRAP_R 84
#define QR_TRAP_S 88
#define QR_TRAP_T 92
#define QR_TRAP_FATAL 96
#define QR_TRAP_BYTES 100

/* Instructions that one of the timer's interrupts takes: 22 from the vector to rfe, and one that QEMU's clock
 * goes on by when it breaks off the code that it runs. */
#define QR_TRAP_HALF_INSTRUCTIONS 23

#ifndef __ASSEMBLER__

#include <stdint.h>

/* The handler's own memory; written by it, read by the counter. */
struct qr_esp32sim_traps {
    uint32_t registers[16];
    uint32_t multiplies; /* emulated since start; wraps */
    uint32_t halves;     /* half rounds of CCOUNT in this section */
    uint32_t scratch[6];
    uint32_t fatal; /* a fault was reported: another one ends the process */
};

extern volatile struct qr_esp32sim_traps qr_esp32sim_traps;

/* Sends FAULT frames for ever. Called by the handler of exceptions that nobody expects, as after a reset: with
 * an empty stack and all windows free. */
void qr_esp32sim_fault(uint32_t pc, uint32_t return_address, uint32_t cause);

/* One of the emulator's system calls; what it returns depends on the call, negative is an error. */
int32_t qr_esp32sim_call(uint32_t number, uint32_t a, uint32_t b, uint32_t c);

#endif
#endif
