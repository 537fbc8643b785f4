/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"

/* see nn.h */
void nn_mean_int8(const int8_t *input, int8_t *output, nn_dim outer, nn_dim count, nn_dim inner,
                  NN_FLASH struct nn_requant *scale, int8_t output_zero_point)
{
    const struct nn_range_int8 range = {0, output_zero_point, INT8_MIN, INT8_MAX};
    for (nn_dim o = 0; o < outer; o++, input += (int32_t)count * inner) {
        for (nn_dim i = 0; i < inner; i++) {
            int32_t sum = scale->bias;
            const int8_t *x = input + i;
            for (nn_dim n = 0; n < count; n++, x += inner) {
                sum += *x;
            }
            *output++ = nn_requantize(sum, scale, &range);
        }
    }
}
