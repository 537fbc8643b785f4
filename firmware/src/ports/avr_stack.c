/* SPDX-License-Identifier: Apache-2.0 */
#include "avr_stack.h"

#include <avr/io.h>

#include "port.h"

extern uint8_t _end; /* of .bss, from the linker */

/* The deepest byte in use that was found last; where the search for deeper ones begins. */
static uint8_t *deepest = (uint8_t *)RAMEND;

static uint8_t *find_deepest(void)
{
    const uint8_t *gap = deepest - QR_STACK_GAP_BYTES;

    for (uint8_t *p = deepest; p > &_end && p > gap;)
        if (*--p != QR_AVR_STACK_PAINT) {
            deepest = p;
            gap = p - QR_STACK_GAP_BYTES;
        }
    return deepest;
}

/* see port.h */
uint32_t qr_port_stack_used(void)
{
    return (uint32_t)((const uint8_t *)RAMEND - find_deepest() + 1);
}

/* see port.h */
void qr_port_stack_forget(void)
{
    uint8_t *free_end = (uint8_t *)SP;

    for (uint8_t *p = find_deepest(); p <= free_end; p++)
        *p = QR_AVR_STACK_PAINT;
    deepest = free_end;
}
