/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"

#include <string.h>

#include "port.h"
#include "qr_link.h"

#define UNPROVED_PATIENCE 1
#define PROVED_PATIENCE 16

/* A byte at a lower rate looks like zeros: more in a row than a host ever sends. */
#define DELIMITERS_MAX 8

static struct {
    uint16_t lost;      /* qr_port_rx_lost() when last looked at */
    uint8_t patience;   /* how much damage in a row is too much; 0 at the rate after reset */
    uint8_t damage;     /* in a row so far: damaged frames, lost bytes, runs of zeros */
    uint8_t delimiters; /* in a row so far */
} rate;

/* see rate.h */
void qr_rate_init(void)
{
    memset(&rate, 0, sizeof rate);
}

/* see rate.h */
void qr_rate_set(uint32_t baud)
{
    qr_port_flush();
    qr_port_set_baud(baud);
    rate.patience = baud ? UNPROVED_PATIENCE : 0;
    rate.damage = rate.delimiters = 0;
    rate.lost = qr_port_rx_lost();
}

/* see rate.h */
void qr_rate_watch(int16_t byte, int8_t event)
{
    uint16_t lost;

    if (rate.patience == 0)
        return;
    lost = qr_port_rx_lost();
    if (event == QR_LINK_REQUEST) {
        rate.damage = 0;
        rate.patience = PROVED_PATIENCE;
    }
    if (byte >= 0)
        rate.delimiters = byte == 0 ? rate.delimiters + 1 : 0;
    if (event == QR_ERR_FRAME || lost != rate.lost || rate.delimiters > DELIMITERS_MAX) {
        rate.damage++;
        rate.lost = lost;
        rate.delimiters = 0;
    }
    if (rate.damage >= rate.patience)
        qr_rate_set(0);
}
