/* SPDX-License-Identifier: Apache-2.0
 *
 * What makes a repeated request harmless: sequence numbers only ever go up within a session, so a
 * late copy is refused, and the same number with the same content is known to be a repeat. The reply
 * itself is not kept: all but INFER's and WINDOW's are rebuilt from a state that only a new request
 * changes, and for those the bench keeps the ticks while the outputs stay in the arena.
 */
#include "qr_link.h"

static int8_t judge_hello(const struct qr_session *session, struct qr_link *link)
{
    const uint8_t *body = qr_link_body(link);

    if (link->body_bytes < 1)
        return QR_ERR_BODY;
    if (body[0] != QR_PROTOCOL_VERSION)
        return QR_ERR_VERSION;
    if (link->body_bytes != 9)
        return QR_ERR_BODY;
    if (!session->open || qr_get_u32(body + 1) != session->nonce)
        return QR_REQUEST_OPENS;
    return QR_REQUEST_NEW;
}

static int8_t judge_order(const struct qr_session *session, uint8_t type, uint16_t sequence, uint32_t crc)
{
    int16_t ahead = (int16_t)(uint16_t)(sequence - session->last_sequence);

    if (ahead > 0)
        return QR_REQUEST_NEW;
    if (ahead < 0 || type != session->last_type)
        return QR_ERR_SEQUENCE;
    /* a resent INFER may ask for fewer bytes and come without its inputs, for a line that garbles long frames */
    return type == QR_INFER || crc == session->last_crc ? QR_REQUEST_REPEAT : QR_ERR_SEQUENCE;
}

/* see qr_link.h */
int8_t qr_session_judge(struct qr_session *session, struct qr_link *link)
{
    uint8_t type = qr_link_type(link);
    uint16_t sequence = qr_link_sequence(link);
    uint32_t crc = qr_get_u32(qr_link_body(link) + link->body_bytes);
    int8_t verdict = QR_REQUEST_NEW;

    if (type == QR_HELLO)
        verdict = judge_hello(session, link);
    else if (!session->open)
        return QR_ERR_SESSION;
    if (verdict == QR_REQUEST_NEW)
        verdict = judge_order(session, type, sequence, crc);
    if (verdict < 0)
        return verdict;
    if (verdict == QR_REQUEST_OPENS) {
        session->open = 1;
        session->nonce = qr_get_u32(qr_link_body(link) + 1);
    }
    session->last_crc = crc;
    session->last_sequence = sequence;
    session->last_type = type;
    return verdict;
}
