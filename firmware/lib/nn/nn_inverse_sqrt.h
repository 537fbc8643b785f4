/* SPDX-License-Identifier: Apache-2.0
 *
 * 1 / sqrt(x) of integers, as L2_NORMALIZATION and RSQRT have it.
 */
#ifndef NN_INVERSE_SQRT_H
#define NN_INVERSE_SQRT_H

#include "nn_fixed_point.h"

/* x * 2^bits, saturated. */
static inline int32_t nn_times_power_of_two(int32_t x, uint8_t bits)
{
    const int32_t limit = INT32_MAX >> bits;
    return x > limit ? INT32_MAX : x < -limit - 1 ? INT32_MIN : x * ((int32_t)1 << bits);
}

struct nn_inverse {
    int32_t multiplier;
    int8_t shift;
};

/* 1 / sqrt(x) as a fixed-point scaling: five Newton steps in Q3.28 on x, scaled by powers of four
 * into [2^27, 2^29). */
static inline struct nn_inverse nn_inverse_square_root(int32_t x)
{
    struct nn_inverse result = {INT32_MAX, 0};
    if (x <= 1) {
        return result;
    }
    int8_t right = 11;
    while (x >= (int32_t)1 << 29) {
        x /= 4;
        right++;
    }
    while (x < (int32_t)1 << 27) {
        x *= 4;
        right--;
    }
    const int32_t half = nn_divide_by_power_of_two(x >> 1, 1);
    const int32_t one_and_a_half = ((int32_t)1 << 28) + ((int32_t)1 << 27);
    int32_t y = (int32_t)1 << 28;
    for (uint8_t step = 0; step < 5; step++) {
        /* a product of two Q3.28 is Q6.25, of three Q9.22 */
        const int32_t cube = nn_times_power_of_two(nn_multiply_high(nn_multiply_high(y, y), y), 6);
        y = nn_times_power_of_two(nn_multiply_high(one_and_a_half, y) - nn_multiply_high(half, cube), 3);
    }
    /* sqrt(2) / 2 in Q0.31 */
    y = nn_multiply_high(y, 1518500250);
    if (right < 0) {
        y = (int32_t)((uint32_t)y << -right);
        right = 0;
    }
    result.multiplier = y;
    result.shift = (int8_t)-right;
    return result;
}

#endif
