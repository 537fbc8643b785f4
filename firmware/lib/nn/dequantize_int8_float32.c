/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_convert.h */
void nn_dequantize_int8_float32(const int8_t *input, float *output, nn_dim count, float scale,
                                int8_t zero_point)
{
    while (count-- > 0) {
        output[count] = (float)(input[count] - zero_point) * scale;
    }
}
