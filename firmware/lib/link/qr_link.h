/* SPDX-License-Identifier: Apache-2.0
 *
 * qr_link.h - the device end of the link: frames in, frames out, and which request is new.
 *
 * One buffer serves both directions: a request is read out of it before its reply is built in it.
 * Bytes go out by qr_port_putc. Any byte sequence may be fed in.
 */
#ifndef QR_LINK_H
#define QR_LINK_H

#include <stdint.h>

#include "config.h"
#include "qr_protocol.h"

struct qr_link {
    uint8_t frame[QR_FRAME_BYTES]; /* decoded */
    uint16_t received;             /* bytes of frame[] filled so far */
    uint16_t body_bytes;           /* of the last valid request */
    uint16_t bad_frames;           /* damaged frames since start; saturates */
    uint8_t run_left;              /* bytes until the next COBS code */
    uint8_t zero_due;              /* the next COBS code stands for a zero */
    uint8_t begun;                 /* something arrived since the last delimiter */
    uint8_t overflow;              /* it was longer than frame[] */
    uint8_t twice;                 /* so many more frames end with two delimiters */
};

enum qr_link_event {
    QR_LINK_NOTHING = 0, /* more bytes are needed */
    QR_LINK_REQUEST = 1  /* a valid frame is in the buffer; damaged ones give QR_ERR_FRAME */
};

void qr_link_init(struct qr_link *link);

/* Takes one byte of the line. Returns a qr_link_event or QR_ERR_FRAME. */
int8_t qr_link_receive(struct qr_link *link, uint8_t byte);

/* Sends the frame whose body of `body_bytes` is already in place. */
void qr_link_send(struct qr_link *link, uint8_t type, uint16_t sequence, uint16_t body_bytes);

/* Sends an ERROR reply with a negative qr_error. */
void qr_link_send_error(struct qr_link *link, uint16_t sequence, int8_t error);

static inline uint8_t qr_link_type(const struct qr_link *link)
{
    return link->frame[0];
}

static inline uint16_t qr_link_sequence(const struct qr_link *link)
{
    return qr_get_u16(link->frame + 1);
}

static inline uint8_t *qr_link_body(struct qr_link *link)
{
    return link->frame + QR_HEADER_BYTES;
}

/* CRC-32 as in zlib and Ethernet. */
uint32_t qr_crc32(const uint8_t *data, uint16_t bytes);

/* Which host session is open, and the last request that was taken in it. */
struct qr_session {
    uint32_t nonce;
    uint32_t last_crc;
    uint16_t last_sequence;
    uint8_t last_type;
    uint8_t open;
};

enum qr_verdict {
    QR_REQUEST_NEW = 0,    /* carry it out */
    QR_REQUEST_REPEAT = 1, /* the last request again: send the last reply, run nothing */
    QR_REQUEST_OPENS = 2   /* HELLO of a new session: forget everything before */
};

/* Judges the valid request in `link` and remembers it unless refused. Returns a qr_verdict or a
 * negative qr_error. */
int8_t qr_session_judge(struct qr_session *session, struct qr_link *link);

#endif
