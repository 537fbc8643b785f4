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
    /* unsigned: a sum near the end of 32 bits wraps, as the reference's does */
    const int32_t moved = (int32_t)((uint32_t)y + (uint32_t)range->output_zero_point);
    return nn_clamp_int8(moved, range->min, range->max);
}

/* x * multiplier * 2^(shift - 15), rounded half up: the 15-bit scaling of 64-bit sums. |x| is below
 * 2^47, shift below 8. */
static inline int32_t nn_scale_int64(int64_t x, int16_t multiplier, int8_t shift)
{
    const uint8_t right = (uint8_t)(15 - shift);
    return (int32_t)((x * multiplier + ((int64_t)1 << (right - 1))) >> right);
}

static inline int16_t nn_clamp_int16(int32_t x, int16_t min, int16_t max)
{
    return x < min ? min : x > max ? max : (int16_t)x;
}

/* Sum of x[i] * w[i] in 32 bits. Unsigned: it wraps, as the reference's does on a strange model. */
static inline uint32_t nn_dot_int8(const int8_t *x, NN_FLASH int8_t *w, nn_dim n)
{
    uint32_t sum = 0;
    for (nn_dim i = 0; i < n; i++) {
        sum += (uint32_t)(int32_t)(int16_t)((int16_t)x[i] * (int16_t)w[i]);
    }
    return sum;
}

/* Sum of x[i] * w[i] in 64 bits. */
static inline int64_t nn_dot_int16(const int16_t *x, NN_FLASH int8_t *w, nn_dim n)
{
    int64_t sum = 0;
    while (n > 0) {
        /* 256 products of 2^22 fit 32 bits, in which most CPUs are faster */
        nn_dim run = n < 256 ? n : 256;
        int32_t part = 0;
        n = (nn_dim)(n - run);
        while (run-- > 0) {
            part += (int32_t)*x++ * *w++;
        }
        sum += part;
    }
    return sum;
}

/* The sum of one int16 output element -> the stored value. */
static inline int16_t nn_requantize_int16(int64_t sum, NN_FLASH struct nn_requant_int16 *channel,
                                          const struct nn_range_int16 *range)
{
    int32_t y;
    if (range->narrow) {
        const uint32_t wrapped = (uint32_t)sum + (uint32_t)channel->bias;
        y = nn_scale((int32_t)wrapped, channel->multiplier, channel->shift);
    } else {
        y = nn_scale_int64(sum + channel->bias, (int16_t)channel->multiplier, channel->shift);
    }
    return nn_clamp_int16(y, range->min, range->max);
}

/* a + b; wraps, as the scaled value of a strange model may be any int32_t. */
static inline int32_t nn_add_wrapping(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

/* Stored value -> stored value of another scale and zero point; sums wrap, as an int32_t may be any. */
static inline int32_t nn_rescale(int32_t x, const struct nn_rescale *r)
{
    const int32_t difference = (int32_t)((uint32_t)x - (uint32_t)r->input_zero_point);
    const int32_t y = nn_add_wrapping(nn_scale(difference, r->multiplier, r->shift),
                                      r->output_zero_point);
    return y < r->min ? r->min : y > r->max ? r->max : y;
}

#endif
