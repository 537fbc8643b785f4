/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "nn.h"

/* see nn_unary.h */
void nn_tanh_float32(const float *input, float *output, nn_dim count)
{
    for (nn_dim i = 0; i < count; i++) {
        output[i] = tanhf(input[i]);
    }
}
