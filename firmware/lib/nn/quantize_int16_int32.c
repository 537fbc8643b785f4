/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn_fixed_point.h"

/* see nn_convert.h */
void nn_quantize_int16_int32(const int16_t *input, int32_t *output, nn_dim count,
                             NN_FLASH struct nn_rescale *params)
{
    const struct nn_rescale p = *params;
    while (count-- > 0) {
        const int32_t y = nn_rescale(input[count], &p);
        memcpy(&output[count], &y, sizeof y);
    }
}
