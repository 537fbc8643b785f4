/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"

#define SUM_INTEGER_BITS 12

/* 1 / (1 + x) for x in [0, 1), both Q0.31: three Newton steps on the half denominator, which lies
 * in [1/2, 1], from the line 48/17 - 32/17 d (Q2.29), whose error is at most 1/17. */
static int32_t reciprocal_of_one_plus(int32_t x)
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

static uint8_t leading_zeros(uint32_t x)
{
    uint8_t n = 0;
    while (!(x & 0x80000000u)) {
        x <<= 1;
        n++;
    }
    return n;
}

/* see nn.h */
void nn_softmax_int8(const int8_t *input, int8_t *output, nn_dim rows, nn_dim depth,
                     NN_FLASH int32_t *exponentials, nn_dim entries)
{
    for (nn_dim row = 0; row < rows; row++, input += depth, output += depth) {
        int8_t largest = INT8_MIN;
        for (nn_dim i = 0; i < depth; i++) {
            largest = input[i] > largest ? input[i] : largest;
        }
        int32_t sum = 0;
        for (nn_dim i = 0; i < depth; i++) {
            const int16_t below = (int16_t)(largest - input[i]);
            if (below < entries) {
                sum += nn_divide_by_power_of_two(exponentials[below], SUM_INTEGER_BITS);
            }
        }
        const uint8_t headroom = leading_zeros((uint32_t)sum);
        const int32_t fraction = (int32_t)(((uint32_t)sum << headroom) - 0x80000000u);
        const int32_t scale = reciprocal_of_one_plus(fraction);
        const uint8_t exponent = (uint8_t)(SUM_INTEGER_BITS - headroom + 31 - 8);
        for (nn_dim i = 0; i < depth; i++) {
            const int16_t below = (int16_t)(largest - input[i]);
            int32_t y = INT8_MIN;
            if (below < entries) {
                y += nn_divide_by_power_of_two(nn_multiply_high(scale, exponentials[below]),
                                               exponent);
            }
            output[i] = nn_clamp_int8(y, INT8_MIN, INT8_MAX);
        }
    }
}
