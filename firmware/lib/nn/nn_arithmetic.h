/* SPDX-License-Identifier: Apache-2.0
 *
 * What the integer kernels of ADD, SUB, MUL, SQUARED_DIFFERENCE and PRELU do with one pair of values.
 */
#ifndef NN_ARITHMETIC_H
#define NN_ARITHMETIC_H

#include "nn_fixed_point.h"

static inline int32_t nn_clamp_int32(int32_t x, int32_t min, int32_t max)
{
    return x < min ? min : x > max ? max : x;
}

/* x * multiplier * 2^(shift - 31). The operand with the larger scale is always halved: that is
 * done without the long multiplication, with the same rounding. */
static inline int32_t nn_scale_or_halve(int32_t x, int32_t multiplier, int8_t shift)
{
    if (shift == 0 && multiplier == (int32_t)1 << 30) {
        return (x + 1) >> 1;
    }
    return nn_scale(x, multiplier, shift);
}

static inline int32_t nn_scaled_a(int32_t x, uint8_t head_room, const struct nn_sum *p)
{
    const int32_t wide = (x - p->a_zero_point) * ((int32_t)1 << head_room);
    return nn_scale_or_halve(wide, p->a_multiplier, p->a_shift);
}

static inline int32_t nn_scaled_b(int32_t x, uint8_t head_room, const struct nn_sum *p)
{
    const int32_t wide = (x - p->b_zero_point) * ((int32_t)1 << head_room);
    return nn_scale_or_halve(wide, p->b_multiplier, p->b_shift);
}

static inline int32_t nn_sum_output(int32_t x, const struct nn_sum *p)
{
    const int32_t y = nn_scale(x, p->output_multiplier, p->output_shift);
    return nn_clamp_int32(nn_add_wrapping(y, p->output_zero_point), p->min, p->max);
}

static inline int32_t nn_product_output(int32_t x, int32_t y, const struct nn_product *p)
{
    const int32_t product = (x - p->a_zero_point) * (y - p->b_zero_point);
    const int32_t z = nn_scale(product, p->multiplier, p->shift);
    return nn_clamp_int32(nn_add_wrapping(z, p->output_zero_point), p->min, p->max);
}

/* Before the output's zero point; x is without its own. */
static inline int32_t nn_prelu_output(int32_t x, int32_t alpha, const struct nn_prelu *p)
{
    if (x >= 0) {
        return nn_scale(x, p->multiplier, p->shift);
    }
    return nn_scale(x * (alpha - p->alpha_zero_point), p->slope_multiplier, p->slope_shift);
}

#endif
