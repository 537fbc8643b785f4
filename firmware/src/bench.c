/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <string.h>

#include "config.h"
#include "model.h"
#include "port.h"
#include "qr_link.h"

#define ENGINE_AOT 1

/* The compiler must not see the digest as a constant: it is written after linking. */
#ifdef __AVR__
#define IDENTITY_SECTION ".progmem.qr_identity"
#define IDENTITY_U8(p) pgm_read_byte(p)
#else
#ifdef QR_PORT_ARDUINO /* whose linker script is a core's: it knows the usual sections only */
#define IDENTITY_SECTION ".rodata.qr_identity"
#else
#define IDENTITY_SECTION ".qr_identity"
#endif
#define IDENTITY_U8(p) (*(const volatile uint8_t *)(p))
#endif

const struct qr_identity qr_identity __attribute__((used, section(IDENTITY_SECTION))) = {
    {'q', 'u', 'a', 'n', 't', 'r', 'i', 'g', '-', 'i', 'd', 'e', 'n', 't', '-', '1'},
    {0},
};

static const char board_name[] QR_FLASH = QR_BOARD;

/* The device card (docs/PROTOCOL.md): numbers, digests, the board's name, the tensor table. */
#define CARD_NUMBERS 14
#define CARD_NAME (sizeof board_name - 1)
#define CARD_BYTES (CARD_NUMBERS + 32 + 32 + 1 + CARD_NAME + QR_MODEL_INFO_BYTES)

#define BODY_MAX (QR_FRAME_BYTES - QR_FRAME_OVERHEAD)
_Static_assert(sizeof board_name <= 64, "QR_BOARD is a short name");

#define HELLO_HEAD 9
#define INFER_HEAD 9
#define WRITE_HEAD 5

static struct qr_link link;
static struct qr_session session;

/* Input bytes written without a gap since the last inference, over all inputs in order. */
static uint32_t written;
/* The last inference: its outputs are in the arena until the next WRITE. */
static struct {
    uint64_t ticks;
    uint32_t count;
    uint8_t flags;
    uint8_t valid;
} inference;

static uint32_t input_bytes_before(uint8_t tensor)
{
    uint32_t bytes = 0;

    for (uint8_t i = 0; i < tensor; i++)
        bytes += QR_FLASH_U32(&qr_model_inputs[i].bytes);
    return bytes;
}

static void send_error(uint16_t sequence, int8_t error)
{
    uint8_t *body = qr_link_body(&link);

    body[0] = (uint8_t)-error;
    body[1] = QR_PROTOCOL_VERSION;
    qr_link_send(&link, QR_REPLY | QR_ERROR, sequence, 2);
}

static uint8_t card_byte(const uint8_t *numbers, uint16_t at)
{
    if (at < CARD_NUMBERS)
        return numbers[at];
    at -= CARD_NUMBERS;
    if (at < 32)
        return IDENTITY_U8(&qr_identity.digest[at]);
    at -= 32;
    if (at < 32)
        return QR_FLASH_U8(&qr_model_sha256[at]);
    at -= 32;
    if (at == 0)
        return CARD_NAME;
    at -= 1;
    if (at < CARD_NAME)
        return QR_FLASH_U8((const uint8_t *)&board_name[at]);
    at -= CARD_NAME;
    return QR_FLASH_U8(&qr_model_info[at]);
}

static int8_t serve_hello(uint16_t sequence)
{
    uint8_t *body = qr_link_body(&link);
    uint16_t offset = qr_get_u16(body + 5);
    uint16_t bytes = qr_get_u16(body + 7);
    uint8_t numbers[CARD_NUMBERS];

    if (offset > CARD_BYTES)
        return QR_ERR_RANGE;
    if (bytes > CARD_BYTES - offset)
        bytes = CARD_BYTES - offset;
    if (bytes > BODY_MAX - HELLO_HEAD)
        bytes = BODY_MAX - HELLO_HEAD;
    numbers[0] = ENGINE_AOT;
    numbers[1] = qr_port_counter();
    qr_put_u32(numbers + 2, qr_port_counter_hz());
    qr_put_u32(numbers + 6, qr_port_cpu_hz());
    qr_put_u32(numbers + 10, QR_ARENA_BYTES);
    /* version and nonce are echoed from where they stand in the request */
    qr_put_u16(body + 5, QR_FRAME_BYTES);
    qr_put_u16(body + 7, CARD_BYTES);
    for (uint16_t i = 0; i < bytes; i++)
        body[HELLO_HEAD + i] = card_byte(numbers, offset + i);
    qr_link_send(&link, QR_REPLY | QR_HELLO, sequence, HELLO_HEAD + bytes);
    return 0;
}

static int8_t serve_write(uint16_t sequence)
{
    const uint8_t *body = qr_link_body(&link);
    uint32_t size, offset, start;
    uint16_t bytes;

    if (link.body_bytes <= WRITE_HEAD)
        return QR_ERR_BODY;
    if (body[0] >= QR_MODEL_INPUTS)
        return QR_ERR_RANGE;
    bytes = link.body_bytes - WRITE_HEAD;
    offset = qr_get_u32(body + 1);
    size = QR_FLASH_U32(&qr_model_inputs[body[0]].bytes);
    if (offset > size || bytes > size - offset)
        return QR_ERR_RANGE;
    start = input_bytes_before(body[0]) + offset;
    /* the first byte of the first input begins a new sample, whatever was written before it */
    if (start == 0)
        written = 0;
    if (start > written)
        return QR_ERR_GAP;
    inference.valid = 0;
    memcpy(qr_arena + QR_FLASH_U32(&qr_model_inputs[body[0]].offset) + offset, body + WRITE_HEAD, bytes);
    if (start + bytes > written)
        written = start + bytes;
    qr_link_send(&link, QR_REPLY | QR_WRITE, sequence, 0);
    return 0;
}

/* Runs the model once. Returns a byte that arrived meanwhile, or -1. */
static int16_t infer(uint16_t sequence)
{
    int16_t disturbance;

    qr_link_send(&link, QR_REPLY | QR_RUNNING, sequence, 0);
    written = 0;
    qr_port_flush();
    qr_port_timer_start();
    qr_model_invoke();
    inference.ticks = qr_port_timer_stop();
    disturbance = qr_port_getc();
    inference.flags = disturbance >= 0 ? QR_INFER_DISTURBED : 0;
    inference.valid = 1;
    inference.count++;
    return disturbance;
}

static uint16_t copy_outputs(uint8_t *to, uint16_t limit)
{
    uint16_t copied = 0;

    for (uint8_t i = 0; i < QR_MODEL_OUTPUTS; i++) {
        uint32_t bytes = QR_FLASH_U32(&qr_model_outputs[i].bytes);

        if (bytes > (uint32_t)(limit - copied))
            bytes = limit - copied;
        memcpy(to + copied, qr_arena + QR_FLASH_U32(&qr_model_outputs[i].offset), bytes);
        copied += bytes;
    }
    return copied;
}

static int8_t serve_infer(uint16_t sequence, int8_t verdict)
{
    uint8_t *body = qr_link_body(&link);
    int16_t held = -1;
    uint16_t limit;

    if (link.body_bytes != 2)
        return QR_ERR_BODY;
    limit = qr_get_u16(body);
    if (limit > BODY_MAX - INFER_HEAD)
        limit = BODY_MAX - INFER_HEAD;
    if (verdict != QR_REQUEST_REPEAT || !inference.valid) {
        if (written != input_bytes_before(QR_MODEL_INPUTS))
            return QR_ERR_INCOMPLETE;
        held = infer(sequence);
    }
    qr_put_u32(body, (uint32_t)inference.ticks);
    qr_put_u32(body + 4, (uint32_t)(inference.ticks >> 32));
    body[8] = inference.flags;
    limit = copy_outputs(body + INFER_HEAD, limit);
    qr_link_send(&link, QR_REPLY | QR_INFER, sequence, INFER_HEAD + limit);
    /* the receiver shares its buffer with the reply, so that byte had to wait; it completes no frame */
    if (held >= 0)
        qr_link_receive(&link, (uint8_t)held);
    return 0;
}

static int8_t serve_read(uint16_t sequence)
{
    uint8_t *body = qr_link_body(&link);
    uint32_t size, offset;
    uint16_t bytes;

    if (link.body_bytes != 7)
        return QR_ERR_BODY;
    if (!inference.valid)
        return QR_ERR_NO_OUTPUT;
    if (body[0] >= QR_MODEL_OUTPUTS)
        return QR_ERR_RANGE;
    offset = qr_get_u32(body + 1);
    bytes = qr_get_u16(body + 5);
    size = QR_FLASH_U32(&qr_model_outputs[body[0]].bytes);
    if (offset > size || bytes > size - offset || bytes > BODY_MAX)
        return QR_ERR_RANGE;
    memcpy(body, qr_arena + QR_FLASH_U32(&qr_model_outputs[body[0]].offset) + offset, bytes);
    qr_link_send(&link, QR_REPLY | QR_READ, sequence, bytes);
    return 0;
}

static int8_t serve_status(uint16_t sequence)
{
    uint8_t *body = qr_link_body(&link);
    uint64_t empty;

    if (link.body_bytes != 0)
        return QR_ERR_BODY;
    qr_port_flush();
    qr_port_timer_start();
    empty = qr_port_timer_stop();
    qr_put_u32(body, qr_port_stack_used());
    qr_put_u16(body + 4, qr_port_rx_lost());
    qr_put_u16(body + 6, link.bad_frames);
    qr_put_u32(body + 8, inference.count);
    qr_put_u32(body + 12, empty > UINT32_MAX ? UINT32_MAX : (uint32_t)empty);
    qr_link_send(&link, QR_REPLY | QR_STATUS, sequence, 16);
    return 0;
}

static int8_t serve(uint16_t sequence)
{
    int8_t verdict = qr_session_judge(&session, &link);

    if (verdict < 0)
        return verdict;
    if (verdict == QR_REQUEST_OPENS) {
        written = 0;
        inference.valid = 0;
    }
    switch (qr_link_type(&link)) {
    case QR_HELLO:
        return serve_hello(sequence);
    case QR_WRITE:
        return serve_write(sequence);
    case QR_INFER:
        return serve_infer(sequence, verdict);
    case QR_READ:
        return serve_read(sequence);
    case QR_STATUS:
        return serve_status(sequence);
    default:
        return QR_ERR_TYPE;
    }
}

/* see bench.h */
void qr_bench_init(void)
{
    qr_link_init(&link);
    memset(&session, 0, sizeof session);
    memset(&inference, 0, sizeof inference);
    written = 0;
}

/* see bench.h */
void qr_bench_poll(void)
{
    int16_t byte = qr_port_getc();
    uint16_t sequence = 0;
    int8_t result;

    if (byte < 0) {
        qr_port_idle();
        return;
    }
    result = qr_link_receive(&link, (uint8_t)byte);
    if (result == QR_LINK_NOTHING)
        return;
    if (result == QR_LINK_REQUEST) {
        /* replies are not for us: answering our own echo would never end */
        if (qr_link_type(&link) & QR_REPLY)
            return;
        sequence = qr_link_sequence(&link);
        result = serve(sequence);
    }
    if (result < 0)
        send_error(sequence, result);
}

/* see bench.h */
void qr_bench_fault(uint32_t pc, uint32_t lr, uint32_t syndrome)
{
    uint8_t *body = qr_link_body(&link);

    qr_put_u32(body, pc);
    qr_put_u32(body + 4, lr);
    qr_put_u32(body + 8, syndrome);
    qr_link_send(&link, QR_REPLY | QR_FAULT, 0, 12);
    qr_port_flush();
}
