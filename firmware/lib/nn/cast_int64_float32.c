/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn.h"

/* see nn_convert.h */
void nn_cast_int64_float32(const int64_t *input, float *output, nn_dim count)
{
    for (nn_dim i = 0; i < count; i++) {
        const float y = (float)input[i];
        memcpy(&output[i], &y, sizeof y);
    }
}
