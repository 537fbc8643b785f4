/* SPDX-License-Identifier: Apache-2.0 */
#include "avr_baud.h"

#include "baud.h"
#include "port.h"

#define UBRR_MAX 4095u

/* see avr_baud.h */
uint16_t qr_avr_ubrr(uint32_t baud)
{
    return (uint16_t)((QR_CPU_HZ / 4 / baud - 1) / 2);
}

/* see port.h */
uint8_t qr_port_baud_possible(uint32_t baud)
{
    uint16_t ubrr;

    if (baud > QR_CPU_HZ / 8 || baud < QR_CPU_HZ / 8 / UBRR_MAX)
        return 0;
    ubrr = qr_avr_ubrr(baud);
    return qr_baud_near(QR_CPU_HZ / 8 / (ubrr + 1u), baud);
}
