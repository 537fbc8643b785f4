/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"

/* see nn_convert.h */
void nn_quantize_int8_int16(const int8_t *input, int16_t *output, nn_dim count,
                            NN_FLASH struct nn_rescale *params)
{
    const struct nn_rescale p = *params;
    while (count-- > 0) {
        output[count] = (int16_t)nn_rescale(input[count], &p);
    }
}
