/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeds the device end of the link with damaged conversations, under ASan and UBSan.
 *
 *   fuzz_device BYTES [SEED]     random and structured input, at least BYTES of it
 *
 * Again and again the device must still answer HELLO, and everything that it sends must be intact
 * replies.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "config.h"
#include "model.h"
#include "port_memory.h"
#include "qr_link.h"

extern uint32_t fake_runs;

#define PORTION_MAX (8 * QR_FRAME_BYTES)

static void fail(const char *what)
{
    fprintf(stderr, "fuzz_device: %s\n", what);
    abort();
}

/* COBS written another way than in link.c: one pass with a pointer back to the pending code. */
static size_t cobs(const uint8_t *from, size_t bytes, uint8_t *to)
{
    size_t code_at = 0, end = 1;
    uint8_t code = 1;

    for (size_t i = 0; i < bytes; i++) {
        if (from[i] != 0) {
            to[end++] = from[i];
            code++;
        }
        if (from[i] == 0 || code == 0xff) {
            to[code_at] = code;
            code_at = end++;
            code = 1;
        }
    }
    to[code_at] = code;
    to[end++] = 0;
    return end;
}

/* A valid frame on the wire. Returns its bytes. */
static size_t make_frame(uint8_t *wire, uint8_t type, uint16_t sequence, const uint8_t *body, uint16_t bytes)
{
    static uint8_t frame[PORTION_MAX];

    frame[0] = type;
    qr_put_u16(frame + 1, sequence);
    qr_put_u16(frame + 3, bytes);
    memcpy(frame + 5, body, bytes);
    qr_put_u32(frame + 5 + bytes, qr_crc32(frame, 5 + bytes));
    return cobs(frame, 9u + bytes, wire);
}

/* Every stretch between delimiters in what the device sent must be an intact reply. */
static size_t check_replies(size_t bytes)
{
    static uint8_t frame[QR_FRAME_BYTES];
    const uint8_t *sent = device_output();
    size_t begin = 0, frames = 0;

    for (size_t i = 0; i < bytes; i++) {
        if (sent[i] != 0)
            continue;
        if (i > begin) {
            if (device_decode(sent + begin, i + 1 - begin, frame) < QR_HEADER_BYTES)
                fail("sent a damaged frame");
            if (!(frame[0] & QR_REPLY))
                fail("sent something that is no reply");
            frames++;
        }
        begin = i + 1;
    }
    if (begin != bytes)
        fail("sent a frame without delimiter");
    return frames;
}

/* The session that the next structured frames belong to. */
static uint32_t nonce;
static uint16_t sequence;

static void check_alive(void)
{
    static uint8_t frame[QR_FRAME_BYTES];
    uint8_t body[9] = {QR_PROTOCOL_VERSION, 0, 0, 0, 0, 0, 0, 26, 0};
    uint8_t wire[64] = {0};
    size_t bytes;

    qr_put_u32(body + 1, ++nonce);
    bytes = make_frame(wire + 1, QR_HELLO, ++sequence, body, sizeof body);
    bytes = device_serve(wire, bytes + 1);
    /* the last reply, its delimiter perhaps doubled; a half-sent frame before it may have been refused first */
    while (bytes > 1 && device_output()[bytes - 2] == 0)
        bytes--;
    while (bytes > 1 && device_output()[bytes - 2] != 0)
        bytes--;
    if (bytes < 2 || device_decode(device_output() + bytes - 1, 64, frame) < QR_HEADER_BYTES ||
        frame[0] != (QR_REPLY | QR_HELLO) || qr_get_u32(frame + 6) != nonce)
        fail("does not answer HELLO");
}

static void feed(const uint8_t *data, size_t bytes)
{
    check_replies(device_serve(data, bytes));
}

static uint64_t state;

static uint32_t any(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

/* The next piece of a sample, so that inferences do happen; or a bold one. */
static uint16_t make_write(uint8_t *body)
{
    static uint32_t cursor;
    uint32_t first = qr_model_inputs[0].bytes, total = first + qr_model_inputs[1].bytes;
    uint32_t end, bytes;

    if (any(8) == 0) {
        body[0] = (uint8_t)any(3);
        qr_put_u32(body + 1, any(any(4) ? 2 * QR_ARENA_BYTES : 0xffffffff));
        return (uint16_t)any(QR_FRAME_BYTES);
    }
    if (cursor >= total)
        cursor = 0;
    end = cursor < first ? first : total;
    bytes = any(4) ? QR_FRAME_BYTES - QR_FRAME_OVERHEAD - 5 : 1 + any(30);
    if (bytes > end - cursor)
        bytes = end - cursor;
    body[0] = cursor >= first;
    qr_put_u32(body + 1, cursor >= first ? cursor - first : cursor);
    cursor += bytes;
    return (uint16_t)(5 + bytes);
}

/* A body that is often legal: boundaries are where the mistakes live. */
static uint16_t make_body(uint8_t type, uint8_t *body)
{
    uint16_t bytes = (uint16_t)any(QR_FRAME_BYTES + 8);

    for (uint16_t i = 0; i < bytes; i++)
        body[i] = (uint8_t)any(any(2) ? 256 : 2);
    if (any(8) == 0)
        return bytes;
    switch (type) {
    case QR_HELLO:
        body[0] = (uint8_t)(any(16) ? QR_PROTOCOL_VERSION : any(256));
        qr_put_u32(body + 1, any(16) ? nonce : ++nonce);
        qr_put_u16(body + 5, (uint16_t)any(any(4) ? 200 : 65536));
        qr_put_u16(body + 7, (uint16_t)any(any(2) ? 100 : 65536));
        return 9;
    case QR_WRITE:
        return make_write(body);
    case QR_INFER:
        qr_put_u16(body, (uint16_t)any(any(2) ? 2 * QR_ARENA_BYTES : 65536));
        return any(2) ? 2 : (uint16_t)(2 + make_write(body + 2));
    case QR_WINDOW:
        return 4;
    case QR_BAUD:
        qr_put_u32(body, any(4) ? 1 + any(2000000) : any(2) ? 0 : any(0xffffffff));
        return 4;
    case QR_ECHO:
        return bytes;
    case QR_STEP:
        qr_put_u16(body, (uint16_t)any(any(8) ? QR_MODEL_STEPS : 65536));
        return 2;
    case QR_PEEK:
        qr_put_u32(body, any(any(8) ? 2 * QR_ARENA_BYTES : 0xffffffff));
        qr_put_u16(body + 4, (uint16_t)any(any(2) ? 40 : any(2) ? 2 * QR_ARENA_BYTES : 65536));
        return 6;
    case QR_READ:
        body[0] = (uint8_t)any(any(8) ? 2 : 256);
        qr_put_u32(body + 1, any(any(8) ? QR_ARENA_BYTES : 0xffffffff));
        qr_put_u16(body + 5, (uint16_t)any(any(2) ? 40 : any(2) ? 2 * QR_ARENA_BYTES : 65536));
        return 7;
    default:
        return any(4) ? 0 : bytes;
    }
}

static size_t make_portion(uint8_t *wire)
{
    static uint8_t body[PORTION_MAX];
    size_t end = 0;

    if (any(8) == 0) {
        end = any(PORTION_MAX);
        for (size_t i = 0; i < end; i++)
            wire[i] = (uint8_t)any(any(2) ? 256 : 3);
        return end;
    }
    for (uint32_t frames = any(5) + 1; frames && end < PORTION_MAX - 2 * QR_FRAME_BYTES; frames--) {
        static const uint8_t types[] = {QR_WRITE,  QR_WRITE,  QR_WRITE, QR_INFER, QR_INFER, QR_READ,
                                        QR_READ,   QR_HELLO,  QR_STATUS, QR_WINDOW, QR_BAUD, QR_ECHO,
                                        QR_RESET,  QR_STEP,   QR_STEP,  QR_PEEK};
        uint8_t type = any(32) ? types[any(sizeof types)] : (uint8_t)any(256);
        uint16_t bytes = make_body(type, body);
        size_t begin = end;

        /* a window of billions is legal, and takes its time */
        if (type == QR_WINDOW && bytes == 4)
            qr_put_u32(body, any(4));
        if (any(8))
            sequence++;
        if (any(16) == 0)
            wire[end++] = 0;
        end += make_frame(wire + end, type, any(32) ? sequence : (uint16_t)any(65536), body, bytes);
        if (any(8) == 0)
            wire[begin + any((uint32_t)(end - begin))] ^= (uint8_t)(1 + any(255));
        if (any(16) == 0)
            end -= any((uint32_t)(end - begin));
    }
    return end;
}

int main(int argc, char **argv)
{
    static uint8_t wire[2 * PORTION_MAX];
    unsigned long long target = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, fed = 0;
    unsigned long portions = 0;

    state = 0x9e3779b97f4a7c15u ^ (argc > 2 ? strtoull(argv[2], NULL, 10) : 1);
    qr_bench_init();
    for (; fed < target; portions++) {
        size_t bytes = make_portion(wire);

        feed(wire, bytes);
        if (any(4) == 0)
            check_alive();
        fed += bytes;
    }
    if (fake_runs < portions / 100)
        fail("the conversations came to nothing");
    printf("%llu bytes in %lu portions, %u inferences: the device survived\n", fed, portions, fake_runs);
    return 0;
}
