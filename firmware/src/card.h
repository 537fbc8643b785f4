/* SPDX-License-Identifier: Apache-2.0
 *
 * card.h - the device card: who answers, with which firmware and model, and what times it.
 */
#ifndef QR_CARD_H
#define QR_CARD_H

#include <stdint.h>

/* Who this firmware is. After linking the harness hashes the loadable bytes with the digest still
 * zero, writes the hash here, and refuses to measure a board whose HELLO says otherwise. */
struct qr_identity {
    uint8_t magic[16]; /* "quantrig-ident-1", no terminator */
    uint8_t digest[32];
};

extern const struct qr_identity qr_identity;

/* Size of the card (docs/PROTOCOL.md). */
uint16_t qr_card_bytes(void);

/* Copies a part of the card that lies within it. */
void qr_card_copy(uint8_t *to, uint16_t offset, uint16_t bytes);

#endif
