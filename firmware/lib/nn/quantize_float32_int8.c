/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "nn.h"

/* see nn_convert.h */
void nn_quantize_float32_int8(const float *input, int8_t *output, nn_dim count, float scale,
                              int8_t zero_point)
{
    for (nn_dim i = 0; i < count; i++) {
        const float y = roundf(input[i] / scale) + (float)zero_point;
        /* "not above" instead of "below": no cast ever sees a NaN */
        output[i] = !(y > -128.0f) ? -128 : y > 127.0f ? 127 : (int8_t)y;
    }
}
