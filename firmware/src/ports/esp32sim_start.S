/* SPDX-License-Identifier: Apache-2.0
 *
 * From reset to main, the vectors, and the emulator's system call.
 *
 * The windowed ABI keeps the newest calls in the register file and moves the oldest to its stack when a
 * register is needed: that is what the first six vectors do, as the architecture prescribes it. The four
 * registers of every frame go to the 16 bytes below its callee's stack pointer, the further ones of a
 * call8 or call12 into the frame of the call itself.
 */
#include "esp32sim.h"

#define PS_RUNNING 0x40020 /* windows on, user mode, interrupts of every level */

/* llvm-mc has no name for it */
#define simcall .byte 0x00, 0x51, 0x00

    .section .vectors, "ax", @progbits
    .p2align 10
    .global qr_vectors
qr_vectors:
    /* overflow of a frame that called by call4 */
    s32e a0, a5, -16
    s32e a1, a5, -12
    s32e a2, a5, -8
    s32e a3, a5, -4
    rfwo

    .org 0x40
    l32e a0, a5, -16
    l32e a1, a5, -12
    l32e a2, a5, -8
    l32e a3, a5, -4
    rfwu

    .org 0x80
    /* by call8: a0 becomes the stack pointer of the frame's caller */
    s32e a0, a9, -16
    l32e a0, a1, -12
    s32e a1, a9, -12
    s32e a2, a9, -8
    s32e a3, a9, -4
    s32e a4, a0, -32
    s32e a5, a0, -28
    s32e a6, a0, -24
    s32e a7, a0, -20
    rfwo

    .org 0xC0
    l32e a0, a9, -16
    l32e a1, a9, -12
    l32e a2, a9, -8
    l32e a7, a1, -12
    l32e a3, a9, -4
    l32e a4, a7, -32
    l32e a5, a7, -28
    l32e a6, a7, -24
    l32e a7, a7, -20
    rfwu

    .org 0x100
    /* by call12 */
    s32e a0, a13, -16
    l32e a0, a1, -12
    s32e a1, a13, -12
    s32e a2, a13, -8
    s32e a3, a13, -4
    s32e a4, a0, -48
    s32e a5, a0, -44
    s32e a6, a0, -40
    s32e a7, a0, -36
    s32e a8, a0, -32
    s32e a9, a0, -28
    s32e a10, a0, -24
    s32e a11, a0, -20
    rfwo

    .org 0x140
    l32e a0, a13, -16
    l32e a1, a13, -12
    l32e a2, a13, -8
    l32e a11, a1, -12
    l32e a3, a13, -4
    l32e a4, a11, -48
    l32e a5, a11, -44
    l32e a6, a11, -40
    l32e a7, a11, -36
    l32e a8, a11, -32
    l32e a9, a11, -28
    l32e a10, a11, -24
    l32e a11, a11, -20
    rfwu

    .org 0x300 /* an exception in kernel mode, where we never are */
    j qr_fatal
    .org 0x340 /* in user mode: esp32sim_trap.S */
    wsr a0, excsave1
    j qr_trap
    .org 0x3C0 /* within a handler */
    j qr_fatal
    .org 0x400

message:       .ascii "quantrig: an exception within the report of one; the exit code less 64 is EXCCAUSE\n"
message_end:
    .p2align 2
message_at:    .long message
message_bytes: .long message_end - message
fatal_traps:   .long qr_esp32sim_traps
fatal_ps:      .long PS_RUNNING
fatal_stack:   .long _estack
fatal_report:  .long qr_esp32sim_fault

    .global qr_fatal
qr_fatal: /* EPC1 and EXCCAUSE are the exception's, EXCSAVE1 is its a0 */
    l32r a3, fatal_traps
    l32i a2, a3, QR_TRAP_FATAL
    bnez a2, again
    movi a2, 1
    s32i a2, a3, QR_TRAP_FATAL
    movi a2, 0
    wsr a2, intenable
    wsr a2, windowbase
    rsync
    movi a2, 1
    wsr a2, windowstart
    rsync
    rsr a6, epc1
    rsr a7, excsave1
    rsr a8, exccause
    l32r a2, fatal_ps
    wsr a2, ps
    rsync
    l32r a1, fatal_stack
    movi a0, 0
    l32r a4, fatal_report
    callx4 a4
again:
    movi a2, QR_SIM_WRITE
    movi a3, 2
    l32r a4, message_at
    l32r a5, message_bytes
    simcall
    movi a2, QR_SIM_EXIT
    rsr a3, exccause
    addi a3, a3, QR_ESP32SIM_FATAL
    simcall
    j qr_fatal

    .section .text.start, "ax", @progbits
    .literal_position
    .literal vectors_at, qr_vectors
    .literal ps_value, PS_RUNNING
    .literal stack_top, _estack
    .literal main_at, main
    .literal data_from, _sidata
    .literal data_at, _sdata
    .literal data_end, _edata
    .literal bss_at, _sbss
    .literal bss_end, _ebss
    .literal paint, QR_ESP32SIM_STACK_PAINT

    .p2align 2
    .global _start
    .type _start, @function
_start:
    movi a2, 0
    wsr a2, intenable
    wsr a2, windowbase
    rsync
    movi a2, 1
    wsr a2, windowstart
    rsync
    l32r a2, vectors_at
    wsr a2, vecbase
    l32r a2, ps_value
    wsr a2, ps
    movi a2, 0xFF
    wsr a2, cpenable /* the FPU */
    rsync
    l32r a1, stack_top
    l32r a2, data_from
    l32r a3, data_at
    l32r a4, data_end
1:  bgeu a3, a4, 2f
    l32i a5, a2, 0
    s32i a5, a3, 0
    addi a2, a2, 4
    addi a3, a3, 4
    j 1b
2:  l32r a3, bss_at
    l32r a4, bss_end
    movi a5, 0
3:  bgeu a3, a4, 4f
    s32i a5, a3, 0
    addi a3, a3, 4
    j 3b
4:  l32r a5, paint
5:  bgeu a3, a1, 6f
    s32i a5, a3, 0
    addi a3, a3, 4
    j 5b
    /* call4: nobody called us, so an overflow of ours must not look for our caller's stack pointer */
6:  movi a0, 0
    l32r a4, main_at
    callx4 a4
7:  j 7b
    .size _start, . - _start

    .section .text.qr_esp32sim_call, "ax", @progbits
    .p2align 2
    .global qr_esp32sim_call
    .type qr_esp32sim_call, @function
qr_esp32sim_call:
    entry a1, 32
    simcall
    retw
    .size qr_esp32sim_call, . - qr_esp32sim_call

    .section .note.GNU-stack, "", @progbits
