/* SPDX-License-Identifier: Apache-2.0 */
#include "steps.h"

#include <string.h>

#include "model.h"
#include "port.h"
#include "sample.h"

#ifdef QR_MODEL_STEPS

#define BODY_MAX (QR_FRAME_BYTES - QR_FRAME_OVERHEAD)

/* The step that continues the inference under way; 0 where there is none. */
static uint16_t next;
/* Whether the last STEP was carried out: its repeat is told so, and one that was refused is refused again. */
static uint8_t carried_out;

/* see steps.h */
void qr_steps_forget(void)
{
    next = 0;
}

/* see steps.h */
int8_t qr_steps_serve(struct qr_link *link, uint16_t sequence, uint8_t again)
{
    uint16_t step;

    if (link->body_bytes != 2)
        return QR_ERR_BODY;
    step = qr_get_u16(qr_link_body(link));
    if (!again || !carried_out) {
        carried_out = 0;
        if (step >= QR_MODEL_STEPS || (step != 0 && step != next))
            return QR_ERR_RANGE;
        if (step == 0 && !qr_sample_complete())
            return QR_ERR_INCOMPLETE;
        qr_link_send(link, QR_REPLY | QR_RUNNING, sequence, 0);
        qr_port_flush();
        qr_sample_begin();
        qr_model_step(step);
        next = step + 1;
        carried_out = 1;
    }
    qr_link_send(link, QR_REPLY | QR_STEP, sequence, 0);
    return 0;
}

/* see steps.h */
int8_t qr_steps_serve_peek(struct qr_link *link, uint16_t sequence)
{
    uint8_t *body = qr_link_body(link);
    uint32_t offset;
    uint16_t bytes;

    if (link->body_bytes != 6)
        return QR_ERR_BODY;
    offset = qr_get_u32(body);
    bytes = qr_get_u16(body + 4);
    if (offset > QR_ARENA_BYTES || bytes > QR_ARENA_BYTES - offset || bytes > BODY_MAX)
        return QR_ERR_RANGE;
    memcpy(body, qr_arena + offset, bytes);
    qr_link_send(link, QR_REPLY | QR_PEEK, sequence, bytes);
    return 0;
}

#endif
