/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock and power control of an STM32F4 as far as the way to full speed touches it. A switch that is
 * off never becomes ready when its bit in model_dead is set. Breaking a rule of the manual sets a bit in
 * model_faults.
 */
#include "chip_model.h"

#include "stm32f4.h"
#include "stm32f4_regs.h"

#define CELLS 64

enum dead { DEAD_HSI = 1, DEAD_HSE = 2, DEAD_PLL = 4, DEAD_OD = 8, DEAD_ODSW = 16, DEAD_SWITCH = 32, DEAD_FLASH = 64 };
enum fault { FAULT_FLASH = 1, FAULT_BUSES = 2, FAULT_PLL = 4, FAULT_OD = 8, FAULT_MODEL = 16 };

uint32_t model_dead, model_faults, model_needs_od;

static struct {
    uint32_t address;
    volatile uint32_t value;
} cells[CELLS];

static volatile uint32_t *cell(uint32_t address)
{
    for (int i = 0; i < CELLS; i++) {
        if (cells[i].address == address || !cells[i].address) {
            cells[i].address = address;
            return &cells[i].value;
        }
    }
    model_faults |= FAULT_MODEL;
    return &cells[0].value;
}

static void follow(volatile uint32_t *reg, uint32_t on, uint32_t ready, uint32_t dead)
{
    if ((*reg & on) && !(model_dead & dead))
        *reg |= ready;
    else
        *reg &= ~ready;
}

static void check_switch(uint32_t cfgr)
{
    if ((*cell(0x40023C00) & 0xF) != 5)
        model_faults |= FAULT_FLASH;
    if ((cfgr >> 10 & 7) != 5 || (cfgr >> 13 & 7) != 4)
        model_faults |= FAULT_BUSES;
    if (!(*cell(0x40023800) & RCC_CR_PLLRDY))
        model_faults |= FAULT_PLL;
    if (model_needs_od && !(*cell(0x40007004) & PWR_CSR_ODSWRDY))
        model_faults |= FAULT_OD;
}

/* Lets everything that was written before take effect, then gives the register. */
volatile uint32_t *model_reg(uint32_t address)
{
    volatile uint32_t *cr = cell(0x40023800), *cfgr = cell(0x40023808);
    volatile uint32_t *csr = cell(0x40007004);
    uint32_t power = *cell(0x40007000);

    follow(cr, RCC_CR_HSION, RCC_CR_HSIRDY, DEAD_HSI);
    follow(cr, RCC_CR_HSEON, RCC_CR_HSERDY, DEAD_HSE);
    follow(cr, RCC_CR_PLLON, RCC_CR_PLLRDY, DEAD_PLL);
    if (power & PWR_CR_ODEN && !(model_dead & DEAD_OD))
        *csr |= PWR_CSR_ODRDY;
    if (power & PWR_CR_ODSWEN && *csr & PWR_CSR_ODRDY && !(model_dead & DEAD_ODSW))
        *csr |= PWR_CSR_ODSWRDY;
    if (model_dead & DEAD_FLASH)
        *cell(0x40023C00) &= ~0xFu;
    if ((*cfgr & 3) == 2 && !(model_dead & DEAD_SWITCH)) {
        if ((*cfgr & RCC_CFGR_SWS) != RCC_CFGR_SWS_PLL)
            check_switch(*cfgr);
        *cfgr = (*cfgr & ~RCC_CFGR_SWS) | RCC_CFGR_SWS_PLL;
    } else {
        *cfgr &= ~RCC_CFGR_SWS;
    }
    return cell(address);
}

/* After power-on, as the manual's reset values say. */
void model_reset(uint32_t dead, uint32_t revision)
{
    for (int i = 0; i < CELLS; i++)
        cells[i].address = cells[i].value = 0;
    model_dead = dead;
    model_faults = 0;
    *cell(0x40023800) = 0x83;
    *cell(0x40023804) = 0x24003010;
    *cell(0xE0042000) = revision << 16 | 0x413;
}

uint32_t model_read(uint32_t address)
{
    return *model_reg(address);
}
