/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"

/* see nn_convert.h */
void nn_quantize_int16_int8(const int16_t *input, int8_t *output, nn_dim count,
                            NN_FLASH struct nn_rescale *params)
{
    const struct nn_rescale p = *params;
    for (nn_dim i = 0; i < count; i++) {
        output[i] = (int8_t)nn_rescale(input[i], &p);
    }
}
