/* SPDX-License-Identifier: Apache-2.0
 *
 * model.h - what a generated model (model.c, model_config.h) offers to bench.c.
 *
 * model_config.h is generated and defines
 *   QR_MODEL_ABI_GENERATED  must equal QR_MODEL_ABI
 *   QR_ARENA_BYTES          size of the arena
 *   QR_MODEL_INFO_BYTES     size of qr_model_info
 *   QR_MODEL_INPUTS, QR_MODEL_OUTPUTS   how many tensors of each
 *   QR_MODEL_STEPS          only in a build for --check-layers: how many steps an inference has
 */
#ifndef QR_MODEL_H
#define QR_MODEL_H

#include <stdint.h>

#include "model_config.h"
#include "port.h"

#define QR_MODEL_ABI 2
#if QR_MODEL_ABI_GENERATED != QR_MODEL_ABI
#error "model.c was made by another version of the compiler: regenerate it"
#endif

/* Where an input or output tensor lies in the arena. In flash: read with QR_FLASH_U32. */
struct qr_io {
    uint32_t offset;
    uint32_t bytes;
};

/* All activation tensors and kernel scratch, aligned for the CPU. */
extern uint8_t qr_arena[QR_ARENA_BYTES];

extern const struct qr_io qr_model_inputs[QR_MODEL_INPUTS];
extern const struct qr_io qr_model_outputs[QR_MODEL_OUTPUTS];

/* SHA-256 of the .tflite that this model was made from. In flash. */
extern const uint8_t qr_model_sha256[32];

/* The tensor table of the HELLO reply, ready to send (docs/PROTOCOL.md, "tensor table"). In flash.
 *   u8 inputs, u8 outputs, then per tensor, inputs first, little-endian:
 *   u8 dtype (0 float32, 1 int8, 2 uint8, 3 int16, 4 int32, 5 int64, 6 bool), u8 rank, u32 dims[rank],
 *   f32 scale, i32 zero_point (0 and 0 where the tensor is not quantized)                       */
extern const uint8_t qr_model_info[QR_MODEL_INFO_BYTES];

/* One inference. The inputs must be in the arena; they may be overwritten. */
void qr_model_invoke(void);

/* Variables (the state of recurrent layers) back to their start; before the first inference as well. */
void qr_model_reset(void);

/* Only where model_config.h defines QR_MODEL_STEPS: one step of an inference alone. */
void qr_model_step(uint16_t step);

#endif
