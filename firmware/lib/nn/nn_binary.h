/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations on two tensors, element by element, either of which may repeat along any axis.
 *
 * The output is walked in the order of memory. `axes` are the fewest that describe it, the innermost
 * first, `rank` of them (1 to NN_MAX_AXES); a stride of 0 repeats an operand along the axis. In place on
 * an operand that repeats along none. int8 and int16 operands have scales and zero points of their own;
 * int32 and int64 are plain numbers, and wrap where they overflow.
 */
#ifndef NN_BINARY_H
#define NN_BINARY_H

#include "nn.h"

#define NN_MAX_AXES 8

struct nn_axis_pair {
    nn_dim size;
    nn_dim a_stride, b_stride; /* in elements, of the whole operand */
};

/* Where the next run of the innermost axis starts in both operands. */
struct nn_pair_walk {
    nn_dim a, b;
    nn_dim index[NN_MAX_AXES];
};

/* Moves on to the next run; 0 after the last. */
uint8_t nn_next_run(struct nn_pair_walk *at, NN_FLASH struct nn_axis_pair *axes, uint8_t rank);

/* ADD, SUB and SQUARED_DIFFERENCE: both operands are shifted up and brought to one scale. */
struct nn_sum {
    int16_t a_zero_point, b_zero_point, output_zero_point;
    int16_t min, max; /* fused activation */
    int8_t a_shift, b_shift, output_shift;
    int32_t a_multiplier, b_multiplier, output_multiplier;
};

/* MUL: the product of both values without their zero points, scaled. */
struct nn_product {
    int16_t a_zero_point, b_zero_point, output_zero_point;
    int16_t min, max;
    int8_t shift;
    int32_t multiplier;
};

struct nn_range_int32 {
    int32_t min, max;
};

/* ADD: a + b. */
void nn_add_int8(const int8_t *a, const int8_t *b, int8_t *output,
                 NN_FLASH struct nn_axis_pair *axes, uint8_t rank, NN_FLASH struct nn_sum *params);
void nn_add_int16(const int16_t *a, const int16_t *b, int16_t *output,
                  NN_FLASH struct nn_axis_pair *axes, uint8_t rank, NN_FLASH struct nn_sum *params);
void nn_add_int32(const int32_t *a, const int32_t *b, int32_t *output,
                  NN_FLASH struct nn_axis_pair *axes, uint8_t rank);
void nn_add_float32(const float *a, const float *b, float *output,
                    NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                    NN_FLASH struct nn_range_float32 *range);

/* SUB: a - b. */
void nn_sub_int8(const int8_t *a, const int8_t *b, int8_t *output,
                 NN_FLASH struct nn_axis_pair *axes, uint8_t rank, NN_FLASH struct nn_sum *params);
void nn_sub_int16(const int16_t *a, const int16_t *b, int16_t *output,
                  NN_FLASH struct nn_axis_pair *axes, uint8_t rank, NN_FLASH struct nn_sum *params);
void nn_sub_int32(const int32_t *a, const int32_t *b, int32_t *output,
                  NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                  NN_FLASH struct nn_range_int32 *range);
void nn_sub_float32(const float *a, const float *b, float *output,
                    NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                    NN_FLASH struct nn_range_float32 *range);

/* MUL: a * b. */
void nn_mul_int8(const int8_t *a, const int8_t *b, int8_t *output,
                 NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                 NN_FLASH struct nn_product *params);
void nn_mul_int16(const int16_t *a, const int16_t *b, int16_t *output,
                  NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                  NN_FLASH struct nn_product *params);
void nn_mul_int32(const int32_t *a, const int32_t *b, int32_t *output,
                  NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                  NN_FLASH struct nn_range_int32 *range);
void nn_mul_float32(const float *a, const float *b, float *output,
                    NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                    NN_FLASH struct nn_range_float32 *range);

/* SQUARED_DIFFERENCE: (a - b)^2. */
void nn_squared_difference_int8(const int8_t *a, const int8_t *b, int8_t *output,
                                NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                                NN_FLASH struct nn_sum *params);
void nn_squared_difference_int16(const int16_t *a, const int16_t *b, int16_t *output,
                                 NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                                 NN_FLASH struct nn_sum *params);
void nn_squared_difference_int32(const int32_t *a, const int32_t *b, int32_t *output,
                                 NN_FLASH struct nn_axis_pair *axes, uint8_t rank);
void nn_squared_difference_float32(const float *a, const float *b, float *output,
                                   NN_FLASH struct nn_axis_pair *axes, uint8_t rank);

/* MAXIMUM: the larger of the stored values; both operands and the output have one scale. */
void nn_maximum_int8(const int8_t *a, const int8_t *b, int8_t *output,
                     NN_FLASH struct nn_axis_pair *axes, uint8_t rank);
void nn_maximum_int16(const int16_t *a, const int16_t *b, int16_t *output,
                      NN_FLASH struct nn_axis_pair *axes, uint8_t rank);
void nn_maximum_int32(const int32_t *a, const int32_t *b, int32_t *output,
                      NN_FLASH struct nn_axis_pair *axes, uint8_t rank);
void nn_maximum_int64(const int64_t *a, const int64_t *b, int64_t *output,
                      NN_FLASH struct nn_axis_pair *axes, uint8_t rank);
void nn_maximum_float32(const float *a, const float *b, float *output,
                        NN_FLASH struct nn_axis_pair *axes, uint8_t rank);

/* MINIMUM: the smaller of them. */
void nn_minimum_int8(const int8_t *a, const int8_t *b, int8_t *output,
                     NN_FLASH struct nn_axis_pair *axes, uint8_t rank);
void nn_minimum_int16(const int16_t *a, const int16_t *b, int16_t *output,
                      NN_FLASH struct nn_axis_pair *axes, uint8_t rank);
void nn_minimum_int32(const int32_t *a, const int32_t *b, int32_t *output,
                      NN_FLASH struct nn_axis_pair *axes, uint8_t rank);
void nn_minimum_int64(const int64_t *a, const int64_t *b, int64_t *output,
                      NN_FLASH struct nn_axis_pair *axes, uint8_t rank);
void nn_minimum_float32(const float *a, const float *b, float *output,
                        NN_FLASH struct nn_axis_pair *axes, uint8_t rank);

#endif
