/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "nn.h"

/* see nn_convert.h */
void nn_quantize_float32_int16(const float *input, int16_t *output, nn_dim count, float scale,
                               int16_t zero_point)
{
    for (nn_dim i = 0; i < count; i++) {
        const float y = roundf(input[i] / scale) + (float)zero_point;
        /* "not above" instead of "below": no cast ever sees a NaN */
        const int16_t stored = !(y > -32768.0f) ? INT16_MIN : y > 32767.0f ? INT16_MAX : (int16_t)y;
        memcpy(&output[i], &stored, sizeof stored);
    }
}
