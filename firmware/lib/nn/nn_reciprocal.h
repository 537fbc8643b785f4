/* SPDX-License-Identifier: Apache-2.0
 *
 * What the integer softmaxes share.
 */
#ifndef NN_RECIPROCAL_H
#define NN_RECIPROCAL_H

#include "nn_fixed_point.h"

/* Zero bits above the highest one; x is not 0. */
static inline uint8_t nn_leading_zeros(uint32_t x)
{
    uint8_t n = 0;
    while (!(x & 0x80000000u)) {
        x <<= 1;
        n++;
    }
    return n;
}

/* 1 / (1 + x) for x in [0, 1), both Q0.31: three Newton steps on the half denominator, which lies
 * in [1/2, 1], from the line 48/17 - 32/17 d (Q2.29), whose error is at most 1/17. */
static inline int32_t nn_reciprocal_of_one_plus(int32_t x)
{
    /* (x + 1) / 2; 1 - 2^-31 stands for 1 in Q0.31 */
    const int64_t doubled = (int64_t)x + INT32_MAX;
    const int32_t half = (int32_t)((doubled + 1) / 2);
    int32_t y = 1515870810 + nn_multiply_high(half, -1010580540);
    for (uint8_t step = 0; step < 3; step++) {
        const int32_t error = ((int32_t)1 << 29) - nn_multiply_high(half, y);
        y += nn_multiply_high(y, error) * 4;
    }
    /* y / 2 in Q0.31 is Q2.29 moved up by one bit, saturated */
    return y > INT32_MAX / 2 ? INT32_MAX : y * 2;
}

/* What one row of an int8 softmax comes to: its largest value, and 1 / (sum of its exponentials) as
 * `scale` * 2^-`exponent`, before the output's own scale. */
struct nn_softmax_row {
    int32_t scale;
    int8_t largest;
    uint8_t exponent;
};

#define NN_SUM_INTEGER_BITS 12

static inline struct nn_softmax_row nn_softmax_row(const int8_t *input, nn_dim depth,
                                                   NN_FLASH int32_t *exponentials, nn_dim entries)
{
    struct nn_softmax_row row = {0, INT8_MIN, 0};
    for (nn_dim i = 0; i < depth; i++) {
        row.largest = input[i] > row.largest ? input[i] : row.largest;
    }
    int32_t sum = 0;
    for (nn_dim i = 0; i < depth; i++) {
        const int16_t below = (int16_t)(row.largest - input[i]);
        if (below < entries) {
            sum += nn_divide_by_power_of_two(exponentials[below], NN_SUM_INTEGER_BITS);
        }
    }
    const uint8_t headroom = nn_leading_zeros((uint32_t)sum);
    row.scale = nn_reciprocal_of_one_plus((int32_t)(((uint32_t)sum << headroom) - 0x80000000u));
    row.exponent = (uint8_t)(NN_SUM_INTEGER_BITS - headroom + 31);
    return row;
}

#endif
