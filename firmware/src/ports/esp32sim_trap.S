/* SPDX-License-Identifier: Apache-2.0
 *
 * The one exception handler. The emulated core has no mulsh and muluh (high word of a product), which
 * the ESP32 has and LLVM uses: each is an illegal instruction here, and is computed instead. And CCOMPARE0
 * interrupts every half round of CCOUNT, within a timed section only.
 *
 * Every multiplication takes the same number of instructions, whatever its registers and values: the
 * port takes them off by counting (esp32sim.c). There is no branch but to the fatal end.
 */
#include "esp32sim.h"

#define CAUSE_INTERRUPT 4
#define PS_EXCM 0x10
#define PS_INTLEVEL 15
#define OPCODE 0xA2 /* third byte: muluh; mulsh has one bit more */
#define OPCODE_SIGNED_BIT 4
#define OPCODE_ANY 0xEF

    .section .vectors.trap, "ax", @progbits
    .p2align 2
traps_at: .long qr_esp32sim_traps
touch_at: .long touch

/* within a branch's reach */
fatal:
    j qr_fatal
other:
    j no_instruction

    .global qr_trap
qr_trap: /* a0 is in EXCSAVE1 */
    l32r a0, traps_at
    s32i a2, a0, 8
    s32i a3, a0, 12
    rsr a2, exccause
    bnez a2, other
    rsr a3, excsave1
    s32i a3, a0, 0
    rsr a2, epc1
    s32i a2, a0, QR_TRAP_PC
    l8ui a3, a2, 2
    s32i a3, a0, QR_TRAP_OPCODE
    movi a2, OPCODE_ANY
    and a3, a3, a2
    movi a2, OPCODE
    bne a3, a2, fatal
    l32i a2, a0, QR_TRAP_PC
    l8ui a3, a2, 0
    extui a2, a3, 0, 4
    bnez a2, fatal
    extui a3, a3, 4, 4
    s32i a3, a0, QR_TRAP_T
    l32i a2, a0, QR_TRAP_PC
    l8ui a3, a2, 1
    extui a2, a3, 0, 4
    s32i a2, a0, QR_TRAP_S
    extui a3, a3, 4, 4
    s32i a3, a0, QR_TRAP_R

    /* The instruction would raise a window overflow if its destination still belongs to an older frame:
     * touch it with exceptions on. Until then a1 and a4..a15 must stay: they are what would be saved. */
    rsr a2, ps
    s32i a2, a0, QR_TRAP_PS
    movi a3, PS_INTLEVEL
    or a2, a2, a3
    addi a2, a2, -PS_EXCM
    l32i a3, a0, QR_TRAP_R
    srli a3, a3, 2
    slli a3, a3, 3
    wsr a2, ps
    rsync
    l32r a2, touch_at
    add a2, a2, a3
    jx a2
    .p2align 3
touch: /* eight bytes each */
    or a3, a3, a3
    j touched
    .p2align 3
    or a7, a7, a7
    j touched
    .p2align 3
    or a11, a11, a11
    j touched
    .p2align 3
    or a15, a15, a15
    j touched
touched:
    l32i a2, a0, QR_TRAP_PS
    wsr a2, ps
    rsync

    s32i a1, a0, 4
    s32i a4, a0, 16
    s32i a5, a0, 20
    s32i a6, a0, 24
    s32i a7, a0, 28
    s32i a8, a0, 32
    s32i a9, a0, 36
    s32i a10, a0, 40
    s32i a11, a0, 44
    s32i a12, a0, 48
    s32i a13, a0, 52
    s32i a14, a0, 56
    s32i a15, a0, 60
    l32i a2, a0, QR_TRAP_S
    addx4 a2, a2, a0
    l32i a2, a2, 0
    l32i a3, a0, QR_TRAP_T
    addx4 a3, a3, a0
    l32i a3, a3, 0

    /* high word of the unsigned product of a2 and a3, by halves */
    extui a4, a2, 0, 16
    extui a5, a2, 16, 16
    extui a6, a3, 0, 16
    extui a7, a3, 16, 16
    mull a8, a4, a6
    mull a9, a5, a6
    mull a10, a4, a7
    mull a11, a5, a7
    extui a8, a8, 16, 16
    add a9, a9, a8
    extui a8, a9, 0, 16
    add a10, a10, a8
    extui a9, a9, 16, 16
    extui a10, a10, 16, 16
    add a11, a11, a9
    add a11, a11, a10

    /* signed: less the other factor for each negative one */
    srai a4, a2, 31
    and a4, a4, a3
    srai a5, a3, 31
    and a5, a5, a2
    add a4, a4, a5
    l32i a5, a0, QR_TRAP_OPCODE
    extui a5, a5, OPCODE_SIGNED_BIT, 1
    neg a5, a5
    and a4, a4, a5
    sub a11, a11, a4

    l32i a4, a0, QR_TRAP_R
    addx4 a4, a4, a0
    s32i a11, a4, 0
    l32i a4, a0, QR_TRAP_MULTIPLIES
    addi a4, a4, 1
    s32i a4, a0, QR_TRAP_MULTIPLIES
    l32i a4, a0, QR_TRAP_PC
    addi a4, a4, 3
    wsr a4, epc1
    l32i a1, a0, 4
    l32i a2, a0, 8
    l32i a3, a0, 12
    l32i a4, a0, 16
    l32i a5, a0, 20
    l32i a6, a0, 24
    l32i a7, a0, 28
    l32i a8, a0, 32
    l32i a9, a0, 36
    l32i a10, a0, 40
    l32i a11, a0, 44
    l32i a12, a0, 48
    l32i a13, a0, 52
    l32i a14, a0, 56
    l32i a15, a0, 60
    l32i a0, a0, 0
    rfe

no_instruction: /* QR_TRAP_HALF_INSTRUCTIONS counts this path */
    addi a2, a2, -CAUSE_INTERRUPT
    bnez a2, fatal
    l32i a2, a0, QR_TRAP_HALVES
    addi a2, a2, 1
    s32i a2, a0, QR_TRAP_HALVES
    /* writing it also ends the interrupt */
    rsr a2, ccompare0
    movi a3, 1
    slli a3, a3, 31
    xor a2, a2, a3
    wsr a2, ccompare0
    l32i a2, a0, 8
    l32i a3, a0, 12
    rsr a0, excsave1
    rfe

    .section .bss.qr_esp32sim_traps, "aw", @nobits
    .p2align 2
    .global qr_esp32sim_traps
    .type qr_esp32sim_traps, @object
qr_esp32sim_traps: .space QR_TRAP_BYTES
    .size qr_esp32sim_traps, QR_TRAP_BYTES

    .section .note.GNU-stack, "", @progbits
