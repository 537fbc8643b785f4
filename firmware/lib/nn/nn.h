/* SPDX-License-Identifier: Apache-2.0
 *
 * nn.h - the contract of every kernel, once. One operation and implementation, one file.
 *
 * Common to all:
 *  - Tensors are dense, row by row, channels last. Sizes count elements.
 *  - Parameters, weights and tables lie in flash (NN_FLASH) and are made by the compiler, which has
 *    checked them: a kernel has no error to report.
 *  - No state, no heap, no recursion. Input and output do not overlap, unless "in place" is said;
 *    then both start at the same address.
 *  - int8 results equal TensorFlow Lite Micro's reference kernels to the bit. float32 results
 *    sum in the same order as those.
 */
#ifndef NN_H
#define NN_H

#include <stdint.h>

#ifdef __AVR__
/* The named address space keeps data in flash and lets the compiler stream it with `lpm Z+`. */
#define NN_FLASH const __flash
typedef int16_t nn_dim;
#else
#define NN_FLASH const
typedef int32_t nn_dim;
#endif

/* Copies a constant from flash to RAM, for a kernel that wants an operand by an ordinary pointer. */
void nn_load(uint8_t *to, NN_FLASH uint8_t *from, nn_dim bytes);

/* Fixed-point scaling of one output channel: the accumulator starts at `bias` (zero-point
 * correction folded in), and y = accumulator * multiplier * 2^(shift - 31), rounded twice. */
struct nn_requant {
    int32_t bias;
    int32_t multiplier;
    int8_t shift; /* -31..31; above 0 the accumulator is shifted left first */
};

/* What every int8 layer with weights needs beside its geometry. */
struct nn_range_int8 {
    int8_t input_zero_point;  /* value of a padded tap */
    int8_t output_zero_point;
    int8_t min, max;          /* fused activation */
};

struct nn_range_float32 {
    float min, max;
};

/* The families, each with the contracts of its kernels. */
#include "nn_layers.h"

#include "nn_convert.h"
#include "nn_recurrent.h"
#include "nn_unary.h"

#include "nn_binary.h"
#include "nn_move.h"

#include "nn_reduce.h"

#include "nn_normalize.h"

#endif
