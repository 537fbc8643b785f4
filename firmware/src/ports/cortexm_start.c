/* SPDX-License-Identifier: Apache-2.0
 *
 * From reset to main: vectors, FPU, memory. No vendor file is involved, and no handler is weak: an
 * exception that nobody expects ends in the fault handler.
 */
#include <stdint.h>

#include "cortexm.h"
#include "cortexm_regs.h"
#include "port.h"

#define STACK_PAINT 0xC5A5C5A5u
#define FAULTS 16
#define INTERRUPTS 97 /* the F446 has so many, the others fewer */

extern uint32_t _sidata[], _sdata[], _edata[], _sbss[], _ebss[], _estack[];

int main(void);
void Reset_Handler(void);

/* Data, not code that calls: the call graph has no indirect call. The port enables one interrupt only,
 * so which number it has need not be known here. */
__attribute__((section(".isr_vector"), used)) static void (*const vectors[FAULTS + INTERRUPTS])(void) = {
    [0] = (void (*)(void))(uintptr_t)_estack,
    [1] = Reset_Handler,
    [2 ... FAULTS - 1] = qr_cortexm_fault,
    [FAULTS ... FAULTS + INTERRUPTS - 1] = Serial_IRQHandler,
};

/* Fills the free memory, up to the stack pointer: nothing below it is in use. */
static inline void paint_stack(void)
{
    uint32_t *p = _ebss;
    uint32_t *sp;

    __asm__ volatile("mov %0, sp" : "=r"(sp));
    while (p < sp)
        *p++ = STACK_PAINT;
}

void Reset_Handler(void)
{
    const uint32_t *from = _sidata;

#ifdef __ARM_FP
    CPACR |= CPACR_FPU_FULL;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    for (uint32_t *to = _sdata; to < _edata;)
        *to++ = *from++;
    for (uint32_t *to = _sbss; to < _ebss;)
        *to++ = 0;
    paint_stack();
    main(); /* which never returns */
    for (;;) {
    }
}

/* see cortexm.h */
void qr_cortexm_enable(uint32_t irq)
{
    NVIC_ISER(irq / 32) = 1u << irq % 32;
}

/* The deepest word in use that was found last; where the search for deeper ones begins. */
static uint32_t *deepest = _estack;

static uint32_t *find_deepest(void)
{
    const uint32_t *gap = deepest - QR_STACK_GAP_BYTES / 4;

    for (uint32_t *p = deepest; p > _ebss && p > gap;)
        if (*--p != STACK_PAINT) {
            deepest = p;
            gap = p - QR_STACK_GAP_BYTES / 4;
        }
    return deepest;
}

/* see port.h */
uint32_t qr_port_stack_used(void)
{
    return (uint32_t)(4 * (_estack - find_deepest()));
}

/* see port.h; an interrupt meanwhile uses what is painted, but leaves it before the painting goes on */
void qr_port_stack_forget(void)
{
    uint32_t *sp;

    __asm__ volatile("mov %0, sp" : "=r"(sp));
    for (uint32_t *p = find_deepest(); p < sp; p++)
        *(volatile uint32_t *)p = STACK_PAINT;
    deepest = sp;
}
