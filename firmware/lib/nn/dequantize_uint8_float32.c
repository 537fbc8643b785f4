/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_convert.h */
void nn_dequantize_uint8_float32(const uint8_t *input, float *output, nn_dim count, float scale,
                                 uint8_t zero_point)
{
    while (count-- > 0) {
        output[count] = (float)((int32_t)input[count] - zero_point) * scale;
    }
}
