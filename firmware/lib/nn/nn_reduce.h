/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that make one value of many along some axes.
 */
#ifndef NN_REDUCE_H
#define NN_REDUCE_H

#include "nn.h"

/* The axes of the input, neighbours merged, outermost first; unused ones have size 1. Strides count
 * elements. The output has the kept axes and lies in the order of memory. */
struct nn_reduction {
    nn_dim kept[3], kept_stride[3];
    nn_dim reduced[3], reduced_stride[3];
};

/* SUM and MEAN. In place. int8, int16: `scale` holds -count * zero point as its bias, and for a MEAN
 * 1 / count in its multiplier; the sum wraps at 32 bits. float32: the sum is divided by `divisor`. */
void nn_sum_int8(const int8_t *input, int8_t *output, NN_FLASH struct nn_reduction *axes,
                 NN_FLASH struct nn_requant *scale, int8_t output_zero_point);
void nn_sum_int16(const int16_t *input, int16_t *output, NN_FLASH struct nn_reduction *axes,
                  NN_FLASH struct nn_requant *scale, int16_t output_zero_point);
void nn_sum_float32(const float *input, float *output, NN_FLASH struct nn_reduction *axes,
                    float divisor);

/* REDUCE_MAX: the largest stored value. In place. */
void nn_reduce_max_int8(const int8_t *input, int8_t *output, NN_FLASH struct nn_reduction *axes);
void nn_reduce_max_int16(const int16_t *input, int16_t *output, NN_FLASH struct nn_reduction *axes);
void nn_reduce_max_float32(const float *input, float *output, NN_FLASH struct nn_reduction *axes);

/* ARG_MAX along the middle of input[outer][count][inner]: the index of the first largest value, as
 * `words` int32_t, the low one first: 1, or 2 for an int64_t. In place where inner is 1 and an index
 * takes no more bytes than `count` values. */
void nn_arg_max_int8(const int8_t *input, int32_t *output, nn_dim outer, nn_dim count, nn_dim inner,
                     uint8_t words);
void nn_arg_max_float32(const float *input, int32_t *output, nn_dim outer, nn_dim count,
                        nn_dim inner, uint8_t words);

#endif
