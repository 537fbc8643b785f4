/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn.h"

/* see nn_convert.h */
void nn_dequantize_int16_float32(const int16_t *input, float *output, nn_dim count, float scale,
                                 int16_t zero_point)
{
    while (count-- > 0) {
        const float y = (float)((int32_t)input[count] - zero_point) * scale;
        memcpy(&output[count], &y, sizeof y);
    }
}
