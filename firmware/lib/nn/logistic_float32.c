/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_float.h"

/* see nn_unary.h */
void nn_logistic_float32(const float *input, float *output, nn_dim count)
{
    for (nn_dim i = 0; i < count; i++) {
        output[i] = nn_logistic(input[i]);
    }
}
