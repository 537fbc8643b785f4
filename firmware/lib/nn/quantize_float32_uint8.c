/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "nn.h"

/* see nn_convert.h */
void nn_quantize_float32_uint8(const float *input, uint8_t *output, nn_dim count, float scale,
                               uint8_t zero_point)
{
    for (nn_dim i = 0; i < count; i++) {
        const float y = roundf(input[i] / scale) + (float)zero_point;
        /* "not above" instead of "below": no cast ever sees a NaN */
        output[i] = !(y > 0.0f) ? 0 : y > 255.0f ? 255 : (uint8_t)y;
    }
}
