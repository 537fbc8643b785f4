/* SPDX-License-Identifier: Apache-2.0
 *
 * chip_model.h - stands in for the registers of stm32f4_regs.h on the host.
 */
#include <stdint.h>

volatile uint32_t *model_reg(uint32_t address);

#define QR_REG(address) (*model_reg(address))
