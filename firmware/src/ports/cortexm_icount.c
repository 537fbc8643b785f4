/* SPDX-License-Identifier: Apache-2.0
 *
 * Proof at start-up that the port's timer counts instructions.
 */
#include "cortexm.h"
#include "port.h"

#define TURNS 1000
#define INSTRUCTIONS (1 + 2 * TURNS)

/* see cortexm.h */
void qr_cortexm_demand_icount(void)
{
    uint32_t turns;

    qr_port_timer_start();
    __asm__ volatile("movw %0, %1\n1:\tsubs %0, %0, #1\n\tbne 1b" : "=r"(turns) : "i"(TURNS) : "cc");
    if (qr_port_timer_stop() != INSTRUCTIONS)
        for (;;) {
        }
}
