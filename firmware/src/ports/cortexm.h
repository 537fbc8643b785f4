/* SPDX-License-Identifier: Apache-2.0
 *
 * cortexm.h - what the bare-metal ports for Cortex-M share. cortexm_start.c comes from reset to main;
 * cortexm_serial.c keeps the received bytes and defines qr_port_getc, _idle, _rx_lost and _stack_used;
 * cortexm_fault.c tells the host where the program faulted.
 */
#ifndef QR_CORTEXM_H
#define QR_CORTEXM_H

#include <stdint.h>

/* Defined by the port: takes what its serial port received, which may be nothing. Every interrupt leads to
 * it, and the fault handler calls it again and again. */
void Serial_IRQHandler(void);

/* Lets the interrupt `irq` happen, the only one of the program. */
void qr_cortexm_enable(uint32_t irq);

/* For Serial_IRQHandler: a byte arrived; something was lost before it reached us. */
void qr_cortexm_received(uint8_t byte);
void qr_cortexm_lost(void);

/* Forgets what was received; the ring is sound again, whatever was written over it. */
void qr_cortexm_forget(void);

/* Every exception but the interrupts. Sends FAULT frames for ever, on a stack of its own. */
void qr_cortexm_fault(void);

/* Ticks between two readings of a counter of 32 bits that may have wrapped: the value congruent to
 * `fine` modulo 2^32 that is nearest to `estimate`, which must be right within 2^31. */
uint64_t qr_cortexm_unwrap(uint32_t fine, uint64_t estimate);

/* Executed instructions, where an emulator lets each take 2^shift ns (QEMU's -icount) and a timer counted
 * `ticks` of `tick_ns`. Two readings of the timer are off by less than a tick together; when that is less
 * than half an instruction, rounding gives the exact number. */
uint64_t qr_cortexm_instructions(uint64_t ticks, uint32_t tick_ns, uint32_t shift);

/* Times a loop of known length with the port's timer; stops for ever when it does not come out exactly:
 * the emulator was started without the shift, or this is no emulator. */
void qr_cortexm_demand_icount(void);

#endif
