/* SPDX-License-Identifier: Apache-2.0
 *
 * qr_protocol.h - the numbers of docs/PROTOCOL.md, and little-endian access to a frame's bytes.
 */
#ifndef QR_PROTOCOL_H
#define QR_PROTOCOL_H

#include <stdint.h>

#define QR_PROTOCOL_VERSION 2

/* A frame before COBS: u8 type, u16 sequence, u16 body length, body, u32 CRC-32. */
#define QR_HEADER_BYTES 5
#define QR_CRC_BYTES 4
#define QR_FRAME_OVERHEAD (QR_HEADER_BYTES + QR_CRC_BYTES)

#define QR_REPLY 0x80 /* set in the type of everything that a device sends */

enum qr_type {
    QR_HELLO = 1,
    QR_WRITE = 2,
    QR_INFER = 3,
    QR_READ = 4,
    QR_STATUS = 5,
    QR_WINDOW = 6,
    QR_BAUD = 7,
    QR_ECHO = 8,
    QR_RESET = 9,
    QR_STEP = 10,      /* only a firmware for looking at every layer knows this and the next */
    QR_PEEK = 11,
    QR_RUNNING = 0x10, /* only as a reply: INFER, WINDOW or STEP was understood and begins now */
    QR_FAULT = 0x11,   /* only as a reply, to nothing: the CPU is in its fault handler */
    QR_ERROR = 0x7f    /* only as a reply */
};

/* Negative inside the firmware, their absolute value in an ERROR reply. */
enum qr_error {
    QR_ERR_FRAME = -1,      /* damaged frame; the reply's sequence number means nothing */
    QR_ERR_TYPE = -2,       /* unknown request */
    QR_ERR_BODY = -3,       /* body of the wrong length */
    QR_ERR_RANGE = -4,      /* no such tensor or step, bytes beyond its end, a rate that cannot be made */
    QR_ERR_SEQUENCE = -5,   /* older than the last request, or its number with another content */
    QR_ERR_SESSION = -6,    /* no HELLO since start */
    QR_ERR_VERSION = -7,    /* another protocol version; detail is the device's */
    QR_ERR_GAP = -8,        /* WRITE beyond the end of what was written so far */
    QR_ERR_INCOMPLETE = -9, /* INFER or STEP before every input byte was written */
    QR_ERR_NO_OUTPUT = -10  /* READ without an inference since the last WRITE */
};

#define QR_DISTURBED 1 /* flag of an INFER or WINDOW reply: a byte arrived while the timed section ran */

static inline uint16_t qr_get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (uint16_t)p[1] << 8);
}

static inline uint32_t qr_get_u32(const uint8_t *p)
{
    return qr_get_u16(p) | (uint32_t)qr_get_u16(p + 2) << 16;
}

static inline void qr_put_u16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static inline void qr_put_u32(uint8_t *p, uint32_t value)
{
    qr_put_u16(p, (uint16_t)value);
    qr_put_u16(p + 2, (uint16_t)(value >> 16));
}

#endif
