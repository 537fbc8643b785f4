/* SPDX-License-Identifier: Apache-2.0
 *
 * avr_baud.h - the serial rates of an ATmega's USART at double speed; avr_baud.c also defines
 * qr_port_baud_possible for both ports.
 */
#ifndef QR_AVR_BAUD_H
#define QR_AVR_BAUD_H

#include <stdint.h>

/* What the baud rate register takes for `baud`, which is not 0; rounded as an Arduino core rounds it. */
uint16_t qr_avr_ubrr(uint32_t baud);

#endif
