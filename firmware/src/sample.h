/* SPDX-License-Identifier: Apache-2.0
 *
 * sample.h - a sample's inputs on their way into the arena, and its outputs on their way out.
 */
#ifndef QR_SAMPLE_H
#define QR_SAMPLE_H

#include <stdint.h>

/* Forgets what was written of the inputs. */
void qr_sample_begin(void);

/* Puts a piece of the inputs (u8 tensor, u32 offset, data: `bytes` in all) into the arena. Returns 0 or a
 * negative qr_error. */
int8_t qr_sample_store(const uint8_t *piece, uint16_t bytes);

/* Whether every input byte was written since qr_sample_begin. */
uint8_t qr_sample_complete(void);

/* The first bytes of all outputs, in order, at most `limit`. Returns how many. */
uint16_t qr_sample_outputs(uint8_t *to, uint16_t limit);

/* `bytes` of one output. Returns 0 or QR_ERR_RANGE. */
int8_t qr_sample_output(uint8_t *to, uint8_t tensor, uint32_t offset, uint16_t bytes);

#endif
