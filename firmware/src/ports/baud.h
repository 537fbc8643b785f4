/* SPDX-License-Identifier: Apache-2.0
 *
 * baud.h - how far off a serial rate may be; shared by the ports that divide a clock for it.
 */
#ifndef QR_BAUD_H
#define QR_BAUD_H

#include <stdint.h>

/* The hardware's nearest rate, `made`, is within 2 % of the one that was asked for. */
static inline uint8_t qr_baud_near(uint32_t made, uint32_t baud)
{
    uint32_t off = made > baud ? made - baud : baud - made;

    return off <= baud / 50;
}

#endif
