/* SPDX-License-Identifier: Apache-2.0 */
#include "avr_stack.h"

#include <avr/io.h>

#include "port.h"

extern uint8_t _end; /* of .bss, from the linker */

/* see port.h */
uint32_t qr_port_stack_used(void)
{
    const uint8_t *p = &_end;

    while (p <= (const uint8_t *)RAMEND && *p == QR_AVR_STACK_PAINT)
        p++;
    return (uint32_t)((const uint8_t *)RAMEND - p + 1);
}
