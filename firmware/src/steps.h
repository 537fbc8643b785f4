/* SPDX-License-Identifier: Apache-2.0
 *
 * steps.h - an inference step by step, so that the host can look at what each one makes. Only in a firmware
 * whose model_config.h defines QR_MODEL_STEPS; that is not the one whose inferences are timed.
 */
#ifndef QR_STEPS_H
#define QR_STEPS_H

#include <stdint.h>

#include "qr_link.h"

/* Ends the inference under way. */
void qr_steps_forget(void);

/* Serves the STEP in `link`; one that is there `again` only lost its reply and runs nothing. Returns 0 or a
 * negative qr_error. */
int8_t qr_steps_serve(struct qr_link *link, uint16_t sequence, uint8_t again);

/* Serves the PEEK in `link`. Returns 0 or a negative qr_error. */
int8_t qr_steps_serve_peek(struct qr_link *link, uint16_t sequence);

#endif
