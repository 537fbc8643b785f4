/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_reciprocal.h"

/* table[0..512] at x in steps of 128 from -32768, a straight line between two of them. */
static int16_t look_up(int32_t x, NN_FLASH int16_t *table)
{
    const int16_t value = (int16_t)(x < INT16_MIN ? INT16_MIN : x > INT16_MAX ? INT16_MAX : x);
    const int16_t index = (int16_t)(256 + (value >> 7));
    const int32_t base = table[index], slope = (int16_t)(table[index + 1] - base);
    return (int16_t)(base + ((slope * (value & 127) + 64) >> 7));
}

/* see nn_normalize.h */
void nn_softmax_int16(const int16_t *input, int16_t *output, nn_dim rows, nn_dim depth,
                      NN_FLASH int16_t *exponentials, NN_FLASH int16_t *reciprocals,
                      NN_FLASH struct nn_softmax_int16 *params)
{
    for (nn_dim row = 0; row < rows; row++, input += depth, output += depth) {
        int16_t largest = INT16_MIN;
        for (nn_dim i = 0; i < depth; i++) {
            largest = input[i] > largest ? input[i] : largest;
        }
        uint32_t sum = 0;
        for (nn_dim i = 0; i < depth; i++) {
            const int32_t difference = (int32_t)input[i] - largest;
            const int32_t x = nn_scale(difference, params->multiplier, params->shift);
            output[i] = look_up(nn_add_wrapping(x, 32767), exponentials);
            sum += (uint32_t)output[i];
        }
        /* the sum, brought into [1, 2) as Q16, less 1 */
        const uint8_t headroom = (uint8_t)(nn_leading_zeros(sum) - 1);
        const int32_t fraction = (int32_t)(((sum << headroom) + (1u << 13)) >> 14) - (1L << 16);
        const int32_t reciprocal = look_up(fraction - 32768, reciprocals);
        const uint8_t right = (uint8_t)(30 - headroom);
        for (nn_dim i = 0; i < depth; i++) {
            const int32_t y = (output[i] * reciprocal + ((int32_t)1 << (right - 1))) >> right;
            output[i] = (int16_t)(y > INT16_MAX ? INT16_MAX : y);
        }
    }
}
