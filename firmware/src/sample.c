/* SPDX-License-Identifier: Apache-2.0 */
#include "sample.h"

#include <string.h>

#include "model.h"
#include "port.h"
#include "qr_protocol.h"

#define PIECE_HEAD 5

/* Input bytes written without a gap, over all inputs in order. */
static uint32_t written;

static uint32_t input_bytes_before(uint8_t tensor)
{
    uint32_t bytes = 0;

    for (uint8_t i = 0; i < tensor; i++)
        bytes += QR_FLASH_U32(&qr_model_inputs[i].bytes);
    return bytes;
}

/* see sample.h */
void qr_sample_begin(void)
{
    written = 0;
}

/* see sample.h */
int8_t qr_sample_store(const uint8_t *piece, uint16_t bytes)
{
    uint32_t size, offset, start;

    if (bytes <= PIECE_HEAD)
        return QR_ERR_BODY;
    if (piece[0] >= QR_MODEL_INPUTS)
        return QR_ERR_RANGE;
    bytes -= PIECE_HEAD;
    offset = qr_get_u32(piece + 1);
    size = QR_FLASH_U32(&qr_model_inputs[piece[0]].bytes);
    if (offset > size || bytes > size - offset)
        return QR_ERR_RANGE;
    start = input_bytes_before(piece[0]) + offset;
    /* the first byte of the first input begins a new sample, whatever was written before it */
    if (start == 0)
        written = 0;
    if (start > written)
        return QR_ERR_GAP;
    memcpy(qr_arena + QR_FLASH_U32(&qr_model_inputs[piece[0]].offset) + offset, piece + PIECE_HEAD, bytes);
    if (start + bytes > written)
        written = start + bytes;
    return 0;
}

/* see sample.h */
uint8_t qr_sample_complete(void)
{
    return written == input_bytes_before(QR_MODEL_INPUTS);
}

/* see sample.h */
uint16_t qr_sample_outputs(uint8_t *to, uint16_t limit)
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

/* see sample.h */
int8_t qr_sample_output(uint8_t *to, uint8_t tensor, uint32_t offset, uint16_t bytes)
{
    uint32_t size;

    if (tensor >= QR_MODEL_OUTPUTS)
        return QR_ERR_RANGE;
    size = QR_FLASH_U32(&qr_model_outputs[tensor].bytes);
    if (offset > size || bytes > size - offset)
        return QR_ERR_RANGE;
    memcpy(to, qr_arena + QR_FLASH_U32(&qr_model_outputs[tensor].offset) + offset, bytes);
    return 0;
}
