/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "nn.h"

/* exp(x) - 1 for x below 0. Near 0, where the subtraction would leave few digits, the first terms of the
 * series: above -1/2 the next one is below 2^-22 of the sum. avr-libc has no expm1f. */
static float exp_minus_one(float x)
{
    if (x < -0.5f) {
        return expf(x) - 1.0f;
    }
    const float tail = 1.0f / 24 + x * (1.0f / 120 + x * (1.0f / 720 + x * (1.0f / 5040)));
    return x + x * x * (0.5f + x * (1.0f / 6 + x * tail));
}

/* see nn_unary.h */
void nn_elu_float32(const float *input, float *output, nn_dim count)
{
    for (nn_dim i = 0; i < count; i++) {
        output[i] = input[i] < 0.0f ? exp_minus_one(input[i]) : input[i];
    }
}
