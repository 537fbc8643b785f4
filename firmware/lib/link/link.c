/* SPDX-License-Identifier: Apache-2.0 */
#include "qr_link.h"

#include "port.h"

#define COBS_FULL_RUN 254 /* a code of 0xFF: this many bytes follow and no zero after them */

/* A host sends delimiters in a row where the line loses bytes. Then so do we, for as many frames as may
 * answer its request: a reply whose only delimiter is lost would cost it a time-out. */
#define TWICE_FRAMES 4

static void begin_frame(struct qr_link *link)
{
    link->received = 0;
    link->run_left = 0;
    link->zero_due = 0;
    link->begun = 0;
    link->overflow = 0;
}

static void store(struct qr_link *link, uint8_t byte)
{
    if (link->received == QR_FRAME_BYTES) {
        link->overflow = 1;
        return;
    }
    link->frame[link->received++] = byte;
}

static int frame_is_valid(struct qr_link *link)
{
    uint16_t bytes = link->received;

    if (link->overflow || link->run_left != 0 || bytes < QR_FRAME_OVERHEAD)
        return 0;
    bytes -= QR_CRC_BYTES;
    link->body_bytes = bytes - QR_HEADER_BYTES;
    return qr_get_u16(link->frame + 3) == link->body_bytes &&
           qr_get_u32(link->frame + bytes) == qr_crc32(link->frame, bytes);
}

static int8_t end_frame(struct qr_link *link)
{
    int8_t event = QR_LINK_NOTHING;

    if (!link->begun) {
        link->twice = TWICE_FRAMES;
    } else {
        event = frame_is_valid(link) ? QR_LINK_REQUEST : QR_ERR_FRAME;
        if (event == QR_ERR_FRAME && link->bad_frames != UINT16_MAX)
            link->bad_frames++;
    }
    begin_frame(link);
    return event;
}

/* see qr_link.h */
void qr_link_init(struct qr_link *link)
{
    link->body_bytes = 0;
    link->bad_frames = 0;
    link->twice = 0;
    begin_frame(link);
}

/* see qr_link.h */
int8_t qr_link_receive(struct qr_link *link, uint8_t byte)
{
    if (byte == 0)
        return end_frame(link);
    link->begun = 1;
    if (link->run_left != 0) {
        link->run_left--;
        store(link, byte);
        return QR_LINK_NOTHING;
    }
    if (link->zero_due)
        store(link, 0);
    link->run_left = byte - 1;
    link->zero_due = byte != COBS_FULL_RUN + 1;
    return QR_LINK_NOTHING;
}

static void send_cobs(const uint8_t *data, uint16_t bytes)
{
    uint16_t at = 0;

    for (;;) {
        uint8_t run = 0;

        while (at + run < bytes && run < COBS_FULL_RUN && data[at + run] != 0)
            run++;
        qr_port_putc(run + 1);
        for (uint8_t i = 0; i < run; i++)
            qr_port_putc(data[at + i]);
        at += run;
        if (at == bytes)
            return;
        /* past the zero that the next code stands for; if the data end with it, that run is empty */
        if (run < COBS_FULL_RUN)
            at++;
    }
}

/* see qr_link.h */
void qr_link_send(struct qr_link *link, uint8_t type, uint16_t sequence, uint16_t body_bytes)
{
    uint16_t bytes = QR_HEADER_BYTES + body_bytes;

    link->frame[0] = type;
    qr_put_u16(link->frame + 1, sequence);
    qr_put_u16(link->frame + 3, body_bytes);
    qr_put_u32(link->frame + bytes, qr_crc32(link->frame, bytes));
    /* whatever the host collected before, or an announcement that lost its delimiter, ends here */
    qr_port_putc(0);
    send_cobs(link->frame, bytes + QR_CRC_BYTES);
    qr_port_putc(0);
    if (link->twice) {
        link->twice--;
        qr_port_putc(0);
    }
}

/* see qr_link.h */
void qr_link_send_error(struct qr_link *link, uint16_t sequence, int8_t error)
{
    uint8_t *body = qr_link_body(link);

    body[0] = (uint8_t)-error;
    body[1] = QR_PROTOCOL_VERSION;
    qr_link_send(link, QR_REPLY | QR_ERROR, sequence, 2);
}
