/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn.h"

/* see nn_convert.h */
void nn_cast_float32_int64(const float *input, int64_t *output, nn_dim count)
{
    while (count-- > 0) {
        const float x = input[count];
        const float limit = 9223372036854775808.0f;
        const int64_t y = x > -limit && x < limit ? (int64_t)x : INT64_MIN;
        memcpy(&output[count], &y, sizeof y);
    }
}
