/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "nn.h"

/* see nn_unary.h */
void nn_logistic_float32(const float *input, float *output, nn_dim count)
{
    for (nn_dim i = 0; i < count; i++) {
        const float x = input[i];
        if (x > 16.619047f) {
            output[i] = 1.0f; /* nothing else fits into a float */
        } else if (x < -9.0f) {
            output[i] = expf(x);
        } else {
            output[i] = 1.0f / (1.0f + expf(-x));
        }
    }
}
