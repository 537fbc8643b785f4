/* SPDX-License-Identifier: Apache-2.0
 *
 * The last thing that a program does: it tells the host where it went wrong, and again whenever the host
 * asks, until the board is reset.
 *
 * Nothing that ran before goes on, so the handler begins with an empty stack: one that overflowed does not
 * matter to it. It cannot be interrupted, and asks the serial port itself.
 */
#include "bench.h"
#include "cortexm.h"
#include "cortexm_regs.h"
#include "port.h"

/* What the CPU puts on the stack when an exception begins. */
struct frame {
    uint32_t r0, r1, r2, r3, r12, lr, pc, xpsr;
};

extern uint32_t _sdata[], _estack[];

/* The frame can be read: it was written, and lies in RAM. After an overflow neither is so. */
static uint8_t is_whole(const struct frame *frame, uint32_t syndrome)
{
    uintptr_t at = (uintptr_t)frame;

    return !(syndrome & CFSR_STACKING) && at % 4 == 0 && at >= (uintptr_t)_sdata &&
           at <= (uintptr_t)_estack - sizeof *frame;
}

/* Called by qr_cortexm_fault below, with the stack pointer as it was. */
__attribute__((noreturn, used)) void qr_cortexm_report(const struct frame *frame)
{
    uint32_t syndrome = CFSR;
    uint8_t known = is_whole(frame, syndrome);
    uint32_t pc = known ? frame->pc : 0;
    uint32_t lr = known ? frame->lr : 0;

    /* the fault may have written to the ring's indices */
    qr_cortexm_forget();
    qr_bench_fault(pc, lr, syndrome);
    for (;;) {
        int16_t byte;

        Serial_IRQHandler();
        while ((byte = qr_port_getc()) >= 0)
            if (byte == 0)
                qr_bench_fault(pc, lr, syndrome);
    }
}

/* see cortexm.h */
__attribute__((naked)) void qr_cortexm_fault(void)
{
    __asm__ volatile("mov r0, sp\n\tldr r1, =_estack\n\tmov sp, r1\n\tb.w qr_cortexm_report");
}
