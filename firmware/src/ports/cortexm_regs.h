/* SPDX-License-Identifier: Apache-2.0
 *
 * cortexm_regs.h - the core's own registers that the ports touch; names are those of Arm's manuals.
 */
#ifndef QR_CORTEXM_REGS_H
#define QR_CORTEXM_REGS_H

#include <stdint.h>

/* The tests put a model of the chip in its place. */
#ifndef QR_REG
#define QR_REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
#endif

#define DWT_CTRL QR_REG(0xE0001000)
#define DWT_CTRL_CYCCNTENA (1u << 0)
#define DWT_CYCCNT QR_REG(0xE0001004)
#define DEMCR QR_REG(0xE000EDFC)
#define DEMCR_TRCENA (1u << 24)
#define SYST_CSR QR_REG(0xE000E010)
#define SYST_CSR_ENABLE (1u << 0)
#define SYST_CSR_CPU_CLOCK (1u << 2)
#define SYST_RVR QR_REG(0xE000E014)
#define SYST_CVR QR_REG(0xE000E018)
#define SYST_BITS 24
#define NVIC_ISER(index) QR_REG(0xE000E100 + 4 * (index))
/* What the CPU faulted of: three registers in one, for memory management, bus and usage. */
#define CFSR QR_REG(0xE000ED28)
#define CFSR_MSTKERR (1u << 4)
#define CFSR_MLSPERR (1u << 5)
#define CFSR_STKERR (1u << 12)
#define CFSR_LSPERR (1u << 13)
#define CFSR_STACKING (CFSR_MSTKERR | CFSR_MLSPERR | CFSR_STKERR | CFSR_LSPERR)
#define CPACR QR_REG(0xE000ED88)
#define CPACR_FPU_FULL (0xFu << 20)

#endif
