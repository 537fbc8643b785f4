/* SPDX-License-Identifier: Apache-2.0
 *
 * SOFTMAX and L2_NORMALIZATION over the last of [rows][depth].
 */
#ifndef NN_NORMALIZE_H
#define NN_NORMALIZE_H

#include "nn.h"

/* SOFTMAX of int8: exponentials[d] = exp(-d * scale * beta) in Q0.31 for d below `entries`, 0
 * beyond. The sum is kept in Q12.19: depth is at most 4095. int8 output: scale 1/256, zero point
 * -128, in place. int16 output: scale 1/65536, zero point -32768. */
void nn_softmax_int8(const int8_t *input, int8_t *output, nn_dim rows, nn_dim depth,
                     NN_FLASH int32_t *exponentials, nn_dim entries);
void nn_softmax_int8_int16(const int8_t *input, int16_t *output, nn_dim rows, nn_dim depth,
                           NN_FLASH int32_t *exponentials, nn_dim entries);

/* SOFTMAX of int16. Differences to the largest are scaled such that 65535 stands for 10, and looked
 * up: both tables have 513 values, between which is interpolated, exp(x) for x in [-10, 0] and
 * 1 / (1 + x) for x in [0, 1]. Depth is at most 65535; output scale 1/32768, zero point 0. In place. */
struct nn_softmax_int16 {
    int32_t multiplier;
    int8_t shift;
};
void nn_softmax_int16(const int16_t *input, int16_t *output, nn_dim rows, nn_dim depth,
                      NN_FLASH int16_t *exponentials, NN_FLASH int16_t *reciprocals,
                      NN_FLASH struct nn_softmax_int16 *params);

/* SOFTMAX of float32. In place. */
void nn_softmax_float32(const float *input, float *output, nn_dim rows, nn_dim depth, float beta);

/* L2_NORMALIZATION: each row is divided by its length. In place. int8: output scale 1/128, zero
 * point 0; depth is at most 33025, so that the squares fit 32 bits. */
void nn_l2_normalization_int8(const int8_t *input, int8_t *output, nn_dim rows, nn_dim depth,
                              int8_t input_zero_point);
void nn_l2_normalization_float32(const float *input, float *output, nn_dim rows, nn_dim depth);

#endif
