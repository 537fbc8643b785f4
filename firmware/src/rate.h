/* SPDX-License-Identifier: Apache-2.0
 *
 * rate.h - a raised rate may not hold: where damage shows, the line goes back to its rate after reset, at
 * which a host can always find the device.
 */
#ifndef QR_RATE_H
#define QR_RATE_H

#include <stdint.h>

/* The line has its rate after reset. */
void qr_rate_init(void);

/* When all that was sent has left, goes on at `baud`, or at the rate after reset where it is 0. */
void qr_rate_set(uint32_t baud);

/* Looks at a received byte, or -1 for none, and at what qr_link_receive made of it. */
void qr_rate_watch(int16_t byte, int8_t event);

#endif
