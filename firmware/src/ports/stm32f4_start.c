/* SPDX-License-Identifier: Apache-2.0
 *
 * From reset to main: vectors, FPU, memory. No vendor file is involved, and no handler is weak: an
 * exception that nobody expects stops the board, and the host reports that it no longer answers.
 */
#include <stdint.h>

#include "stm32f4.h"
#include "stm32f4_regs.h"

extern uint32_t _sidata[], _sdata[], _edata[], _sbss[], _ebss[], _estack[];

int main(void);
void Reset_Handler(void);
void USART2_IRQHandler(void);

static void stop(void)
{
    for (;;) {
    }
}

#define VECTORS (16 + 97) /* the F446 has 97 interrupts, the others fewer */
#define FAULTS 16

/* Data, not code that calls: the call graph has no indirect call. */
__attribute__((section(".isr_vector"), used)) static void (*const vectors[VECTORS])(void) = {
    [0] = (void (*)(void))(uintptr_t)_estack,
    [1] = Reset_Handler,
    [2 ... FAULTS - 1] = stop,
    [FAULTS ... FAULTS + USART2_IRQ - 1] = stop,
    [FAULTS + USART2_IRQ] = USART2_IRQHandler,
    [FAULTS + USART2_IRQ + 1 ... VECTORS - 1] = stop,
};

/* Fills the free memory, up to the stack pointer: nothing below it is in use. */
static inline void paint_stack(void)
{
    uint32_t *p = _ebss;
    uint32_t *sp;

    __asm__ volatile("mov %0, sp" : "=r"(sp));
    while (p < sp)
        *p++ = QR_STM32F4_STACK_PAINT;
}

void Reset_Handler(void)
{
    const uint32_t *from = _sidata;

    CPACR |= CPACR_FPU_FULL;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    for (uint32_t *to = _sdata; to < _edata;)
        *to++ = *from++;
    for (uint32_t *to = _sbss; to < _ebss;)
        *to++ = 0;
    paint_stack();
    main();
    stop();
}
