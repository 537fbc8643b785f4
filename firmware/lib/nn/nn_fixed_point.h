/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer arithmetic that the int8 kernels share. The rounding is TensorFlow Lite Micro's default
 * (double rounding): first a high multiplication that rounds half up, then a division by a power of
 * two that rounds half away from zero.
 */
#ifndef NN_FIXED_POINT_H
#define NN_FIXED_POINT_H

#include "nn.h"

/* a * b / 2^31, rounded half up: for every pair but (INT32_MIN, INT32_MIN), which the compiler
 * excludes as no multiplier is negative, the truncating form with its signed nudge gives the same. */
static inline int32_t nn_multiply_high(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* x / 2^exponent, rounded half away from zero; exponent 0..31. */
static inline int32_t nn_divide_by_power_of_two(int32_t x, uint8_t exponent)
{
    const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1);
    const int32_t remainder = x & mask;
    const int32_t threshold = (int32_t)((uint32_t)mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> exponent) + (remainder > threshold ? 1 : 0);
}

/* x * multiplier * 2^(shift - 31). */
static inline int32_t nn_scale(int32_t x, int32_t multiplier, int8_t shift)
{
    if (shift > 0) {
        /* unsigned: a left shift may drop bits, as the reference does */
        return nn_multiply_high((int32_t)((uint32_t)x << shift), multiplier);
    }
    return nn_divide_by_power_of_two(nn_multiply_high(x, multiplier), (uint8_t)-shift);
}

static inline int8_t nn_clamp_int8(int32_t x, int8_t min, int8_t max)
{
    return x < min ? min : x > max ? max : (int8_t)x;
}

/* The accumulator of one output element -> the stored value. */
static inline int8_t nn_requantize(int32_t accumulator, NN_FLASH struct nn_requant *channel,
                                   const struct nn_range_int8 *range)
{
    const int32_t y = nn_scale(accumulator, channel->multiplier, channel->shift);
    return nn_clamp_int8(y + range->output_zero_point, range->min, range->max);
}

/* a + b; wraps, as the scaled value of a strange model may be any int32_t. */
static inline int32_t nn_add_wrapping(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

#endif
