/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of one value at a time: activations and their like. Input and output have the same type
 * and number of elements, and all work in place. An int8 function of one value is a table that the
 * compiler has worked out; int16 values have zero point 0.
 */
#ifndef NN_UNARY_H
#define NN_UNARY_H

#include "nn.h"
#include "nn_binary.h"

/* Any int8 -> int8 function: table[(uint8_t)(x + 128)]. uint8_t bytes work as well, x + 128 then being
 * their value with the top bit turned over. */
void nn_lookup_int8(const int8_t *input, int8_t *output, nn_dim count, NN_FLASH int8_t *table);

/* RELU6 in int16, where no scale changes; RELU, RELU6 and RELU_N1_TO_1 in float: min(max(x, min), max). */
void nn_relu6_int16(const int16_t *input, int16_t *output, nn_dim count, int16_t min, int16_t max);
void nn_clamp_float32(const float *input, float *output, nn_dim count,
                      NN_FLASH struct nn_range_float32 *range);

/* LOGISTIC: 1 / (1 + exp(-x)). int16: the argument is x * multiplier / 2^shift in steps of
 * 1 / (3 * 4096), the output has 15 fractional bits. `table` is that of nn_sigmoid.h. */
void nn_logistic_int16(const int16_t *input, int16_t *output, nn_dim count, int16_t multiplier,
                       uint8_t shift, NN_FLASH uint16_t *table);
void nn_logistic_float32(const float *input, float *output, nn_dim count);

/* TANH, with the same argument and output. */
void nn_tanh_int16(const int16_t *input, int16_t *output, nn_dim count, int16_t multiplier,
                   uint8_t shift, NN_FLASH uint16_t *table);
void nn_tanh_float32(const float *input, float *output, nn_dim count);

/* ELU: exp(x) - 1 below 0. */
void nn_elu_float32(const float *input, float *output, nn_dim count);

/* HARD_SWISH: x * min(max(x + 3, 0), 6) / 6. */
void nn_hard_swish_float32(const float *input, float *output, nn_dim count);

/* LEAKY_RELU: alpha * x below 0. int16: y = x * multiplier * 2^(shift - 31); where the slope is negative
 * the product is turned around after it was rounded. */
struct nn_leaky_relu_int16 {
    int32_t multiplier, slope_multiplier;
    int8_t shift, slope_shift;
    uint8_t slope_is_negative;
};
void nn_leaky_relu_int16(const int16_t *input, int16_t *output, nn_dim count,
                         NN_FLASH struct nn_leaky_relu_int16 *params);
void nn_leaky_relu_float32(const float *input, float *output, nn_dim count, float alpha);

/* PRELU: alpha * x below 0; alpha may repeat along any axis (nn_binary.h, where x is `a`). int8 and int16:
 * y = x * multiplier * 2^(shift - 31) above 0, the product with alpha scaled alike below; alpha is int8.
 * In place on x, which repeats along none. */
struct nn_prelu {
    int32_t multiplier, slope_multiplier;
    int16_t input_zero_point, alpha_zero_point, output_zero_point;
    int8_t shift, slope_shift;
};
void nn_prelu_int8(const int8_t *input, const int8_t *alpha, int8_t *output,
                   NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                   NN_FLASH struct nn_prelu *params);
void nn_prelu_int16(const int16_t *input, const int8_t *alpha, int16_t *output,
                    NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                    NN_FLASH struct nn_prelu *params);
void nn_prelu_float32(const float *input, const float *alpha, float *output,
                      NN_FLASH struct nn_axis_pair *axes, uint8_t rank);

/* ABS. int16: |x| * multiplier * 2^(shift - 31). */
void nn_abs_int16(const int16_t *input, int16_t *output, nn_dim count, int32_t multiplier,
                  int8_t shift);
void nn_abs_float32(const float *input, float *output, nn_dim count);

/* NEG. int32 wraps at its smallest value. */
void nn_neg_int32(const int32_t *input, int32_t *output, nn_dim count);
void nn_neg_float32(const float *input, float *output, nn_dim count);

/* RSQRT: 1 / sqrt(x). int16: of the stored value with 20 bits of fraction, times multiplier *
 * 2^(shift - 31); the largest value at 0 and below. */
void nn_rsqrt_int16(const int16_t *input, int16_t *output, nn_dim count, int32_t multiplier,
                    int8_t shift);
void nn_rsqrt_float32(const float *input, float *output, nn_dim count);

#endif
