/* SPDX-License-Identifier: Apache-2.0
 *
 * In place of the port's report of a fault: a small program has no link, and ends with EXCCAUSE.
 */
#include "esp32sim.h"

/* see esp32sim.h */
void qr_esp32sim_fault(uint32_t pc, uint32_t return_address, uint32_t cause)
{
    (void)pc;
    (void)return_address;
    qr_esp32sim_call(QR_SIM_EXIT, QR_ESP32SIM_FATAL + cause, 0, 0);
}
