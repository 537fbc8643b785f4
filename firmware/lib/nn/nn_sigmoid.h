/* SPDX-License-Identifier: Apache-2.0
 *
 * The 16-bit logistic and tanh: straight lines between the 256 values of 1 / (1 + exp(-i / 24)) in
 * Q0.16 that the compiler passes as `table`. An argument x stands for x / (3 * 4096); results are
 * Q0.15. |x| must be below 2^31.
 */
#ifndef NN_SIGMOID_H
#define NN_SIGMOID_H

#include "nn.h"

/* Beyond this step of the table the result is its limit. */
#define NN_SIGMOID_LAST 255

/* table[step] at `fraction` of 2^bits on the way to the next value, times 2^bits. */
static inline uint32_t nn_sigmoid_between(NN_FLASH uint16_t *table, uint16_t step,
                                          uint16_t fraction, uint8_t bits)
{
    const uint16_t low = table[step], high = table[step + 1];
    return ((uint32_t)low << bits) + (uint32_t)fraction * (uint16_t)(high - low);
}

static inline int16_t nn_logistic_q15(int32_t x, NN_FLASH uint16_t *table)
{
    const uint32_t magnitude = x < 0 ? -(uint32_t)x : (uint32_t)x;
    const uint32_t step = magnitude >> 9;
    const uint32_t y = step >= NN_SIGMOID_LAST
                           ? (uint32_t)INT16_MAX << 10
                           : nn_sigmoid_between(table, (uint16_t)step, magnitude & 0x1FF, 9);
    const uint32_t half = (uint32_t)1 << 9;
    return (int16_t)((x < 0 ? ((uint32_t)1 << 25) - y + half - 1 : y + half) >> 10);
}

/* tanh(x) = 2 / (1 + exp(-2x)) - 1. */
static inline int16_t nn_tanh_q15(int32_t x, NN_FLASH uint16_t *table)
{
    const uint32_t magnitude = x < 0 ? -(uint32_t)x : (uint32_t)x;
    const uint32_t step = magnitude >> 8;
    const uint32_t y = step >= NN_SIGMOID_LAST
                           ? (uint32_t)UINT16_MAX << 8
                           : nn_sigmoid_between(table, (uint16_t)step, magnitude & 0xFF, 8);
    const int32_t above_half = (int32_t)y - ((int32_t)1 << 23);
    return (int16_t)((x < 0 ? 127 - above_half : 128 + above_half) >> 8);
}

#endif
