/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <string.h>

#include "card.h"
#include "config.h"
#include "model.h"
#include "pattern.h"
#include "port.h"
#include "qr_link.h"
#include "rate.h"
#include "sample.h"
#include "steps.h"

#define BODY_MAX (QR_FRAME_BYTES - QR_FRAME_OVERHEAD)

#define HELLO_HEAD 9
#define INFER_HEAD 9

static struct qr_link link;
static struct qr_session session;

/* The last timed section; after an inference its outputs are in the arena until the next sample begins. */
static struct {
    uint64_t ticks;
    uint32_t count;
    uint8_t flags;
    uint8_t valid;
} inference;

/* Deepest stack of the timed sections that no byte disturbed: what else runs meets interrupts by chance. */
static unsigned stack_bytes;
/* Deepest of all that ran since the start. */
static unsigned any_stack_bytes;

/* What ran is over: its outputs cannot be read any more, nor can it go on. */
static void forget_inference(void)
{
    inference.valid = 0;
#ifdef QR_MODEL_STEPS
    qr_steps_forget();
#endif
}

static int8_t serve_hello(uint16_t sequence)
{
    uint8_t *body = qr_link_body(&link);
    uint16_t offset = qr_get_u16(body + 5);
    uint16_t bytes = qr_get_u16(body + 7);
    uint16_t card_bytes = qr_card_bytes();

    if (offset > card_bytes)
        return QR_ERR_RANGE;
    if (bytes > card_bytes - offset)
        bytes = card_bytes - offset;
    if (bytes > BODY_MAX - HELLO_HEAD)
        bytes = BODY_MAX - HELLO_HEAD;
    /* version and nonce are echoed from where they stand in the request */
    qr_put_u16(body + 5, QR_FRAME_BYTES);
    qr_put_u16(body + 7, card_bytes);
    qr_card_copy(body + HELLO_HEAD, offset, bytes);
    qr_link_send(&link, QR_REPLY | QR_HELLO, sequence, HELLO_HEAD + bytes);
    return 0;
}

static int8_t store(const uint8_t *piece, uint16_t bytes)
{
    int8_t error = qr_sample_store(piece, bytes);

    if (error == 0)
        forget_inference();
    return error;
}

static int8_t serve_write(uint16_t sequence)
{
    int8_t error = store(qr_link_body(&link), link.body_bytes);

    if (error < 0)
        return error;
    qr_link_send(&link, QR_REPLY | QR_WRITE, sequence, 0);
    return 0;
}

/* How deep the stack went since it was last forgotten. */
static unsigned note_stack(void)
{
    unsigned used = (unsigned)qr_port_stack_used();

    if (used > any_stack_bytes)
        any_stack_bytes = used;
    return used;
}

/* Announces a timed section. Returns a byte that came after the request, or -1: anything but the request's
 * second delimiter is one of too many. */
static int16_t begin_section(uint16_t sequence)
{
    int16_t byte;

    qr_link_send(&link, QR_REPLY | QR_RUNNING, sequence, 0);
    forget_inference();
    qr_sample_begin();
    qr_port_flush();
    while ((byte = qr_port_getc()) == 0)
        qr_link_receive(&link, 0);
    note_stack();
    qr_port_stack_forget();
    return byte;
}

/* Notes whether a byte came meanwhile. Takes and returns what begin_section does. */
static int16_t end_section(int16_t held)
{
    unsigned used = note_stack();

    if (held < 0)
        held = qr_port_getc();
    inference.flags = held >= 0 ? QR_DISTURBED : 0;
    if (held < 0 && used > stack_bytes)
        stack_bytes = used;
    return held;
}

/* Runs the model once. Returns a byte that arrived meanwhile, or -1. */
static int16_t infer(uint16_t sequence)
{
    int16_t held = begin_section(sequence);

    qr_port_trigger(1);
    qr_port_timer_start();
    qr_model_invoke();
    inference.ticks = qr_port_timer_stop();
    qr_port_trigger(0);
    inference.count++;
    inference.valid = 1;
    return end_section(held);
}

/* Sends the last section's ticks and flags, then what `held` is the beginning of. */
static void send_section(uint8_t type, uint16_t sequence, uint16_t output_bytes, int16_t held)
{
    uint8_t *body = qr_link_body(&link);

    qr_put_u32(body, (uint32_t)inference.ticks);
    qr_put_u32(body + 4, (uint32_t)(inference.ticks >> 32));
    body[8] = inference.flags;
    output_bytes = qr_sample_outputs(body + INFER_HEAD, output_bytes);
    qr_link_send(&link, QR_REPLY | type, sequence, INFER_HEAD + output_bytes);
    /* the receiver shares its buffer with the reply, so that byte had to wait; it completes no frame */
    if (held >= 0)
        qr_link_receive(&link, (uint8_t)held);
}

static int8_t serve_infer(uint16_t sequence, int8_t verdict)
{
    uint8_t *body = qr_link_body(&link);
    int16_t held = -1;
    uint16_t limit;
    int8_t error;

    if (link.body_bytes < 2)
        return QR_ERR_BODY;
    limit = qr_get_u16(body);
    if (limit > BODY_MAX - INFER_HEAD)
        limit = BODY_MAX - INFER_HEAD;
    if (verdict == QR_REQUEST_REPEAT) {
        if (!inference.valid)
            return QR_ERR_INCOMPLETE;
    } else {
        /* of this request or of none: a host that asks again without inputs learns that it did not run */
        forget_inference();
        if (link.body_bytes != 2) {
            error = store(body + 2, link.body_bytes - 2);
            if (error < 0)
                return error;
        }
        if (!qr_sample_complete())
            return QR_ERR_INCOMPLETE;
        held = infer(sequence);
    }
    send_section(QR_INFER, sequence, limit, held);
    return 0;
}

/* Runs the model `count` times in one section, with variables that begin and end as after a reset. Returns
 * a byte that arrived meanwhile, or -1. */
static int16_t run_window(uint16_t sequence, uint32_t count)
{
    int16_t held = begin_section(sequence);

    inference.count += count;
    qr_model_reset();
    qr_port_trigger(1);
    qr_port_timer_start();
    while (count--) {
        qr_pattern_fill();
        qr_model_invoke();
    }
    inference.ticks = qr_port_timer_stop();
    qr_port_trigger(0);
    qr_model_reset();
    return end_section(held);
}

static int8_t serve_window(uint16_t sequence, int8_t verdict)
{
    int16_t held = -1;
    uint32_t count;

    if (link.body_bytes != 4)
        return QR_ERR_BODY;
    count = qr_get_u32(qr_link_body(&link));
    if (count == 0)
        return QR_ERR_RANGE;
    if (verdict != QR_REQUEST_REPEAT)
        held = run_window(sequence, count);
    send_section(QR_WINDOW, sequence, 0, held);
    return 0;
}

static int8_t serve_baud(uint16_t sequence)
{
    uint32_t baud;

    if (link.body_bytes != 4)
        return QR_ERR_BODY;
    baud = qr_get_u32(qr_link_body(&link));
    if (baud != 0 && !qr_port_baud_possible(baud))
        return QR_ERR_RANGE;
    qr_link_send(&link, QR_REPLY | QR_BAUD, sequence, 0);
    qr_rate_set(baud);
    return 0;
}

static int8_t serve_read(uint16_t sequence)
{
    uint8_t *body = qr_link_body(&link);
    uint16_t bytes;
    int8_t error;

    if (link.body_bytes != 7)
        return QR_ERR_BODY;
    if (!inference.valid)
        return QR_ERR_NO_OUTPUT;
    bytes = qr_get_u16(body + 5);
    if (bytes > BODY_MAX)
        return QR_ERR_RANGE;
    error = qr_sample_output(body, body[0], qr_get_u32(body + 1), bytes);
    if (error < 0)
        return error;
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
    note_stack();
    qr_put_u32(body, stack_bytes);
    qr_put_u32(body + 4, any_stack_bytes);
    qr_put_u16(body + 8, qr_port_rx_lost());
    qr_put_u16(body + 10, link.bad_frames);
    qr_put_u32(body + 12, inference.count);
    qr_put_u32(body + 16, empty > UINT32_MAX ? UINT32_MAX : (uint32_t)empty);
    qr_link_send(&link, QR_REPLY | QR_STATUS, sequence, 20);
    return 0;
}

static int8_t serve_echo(uint16_t sequence)
{
    qr_link_send(&link, QR_REPLY | QR_ECHO, sequence, link.body_bytes);
    return 0;
}

static int8_t serve_reset(uint16_t sequence)
{
    if (link.body_bytes != 0)
        return QR_ERR_BODY;
    forget_inference();
    qr_model_reset();
    qr_link_send(&link, QR_REPLY | QR_RESET, sequence, 0);
    return 0;
}

static int8_t serve(uint16_t sequence)
{
    int8_t verdict = qr_session_judge(&session, &link);

    if (verdict < 0)
        return verdict;
    if (verdict == QR_REQUEST_OPENS) {
        qr_sample_begin();
        forget_inference();
        qr_model_reset();
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
    case QR_WINDOW:
        return serve_window(sequence, verdict);
    case QR_BAUD:
        return serve_baud(sequence);
    case QR_ECHO:
        return serve_echo(sequence);
    case QR_RESET:
        return serve_reset(sequence);
#ifdef QR_MODEL_STEPS
    case QR_STEP:
        inference.valid = 0;
        return qr_steps_serve(&link, sequence, verdict == QR_REQUEST_REPEAT);
    case QR_PEEK:
        return qr_steps_serve_peek(&link, sequence);
#endif
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
    forget_inference();
    qr_model_reset();
    qr_rate_init();
    qr_sample_begin();
    /* a host whose request or inference the start cut short need not wait for what will not come */
    qr_link_send_error(&link, 0, QR_ERR_SESSION);
}

/* see bench.h */
void qr_bench_poll(void)
{
    int16_t byte = qr_port_getc();
    uint16_t sequence = 0;
    int8_t result = byte < 0 ? QR_LINK_NOTHING : qr_link_receive(&link, (uint8_t)byte);

    qr_rate_watch(byte, result);
    if (byte < 0) {
        qr_port_idle();
        return;
    }
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
        qr_link_send_error(&link, sequence, result);
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
