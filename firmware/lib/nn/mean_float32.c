/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn.h */
void nn_mean_float32(const float *input, float *output, nn_dim outer, nn_dim count, nn_dim inner)
{
    for (nn_dim o = 0; o < outer; o++, input += (int32_t)count * inner) {
        for (nn_dim i = 0; i < inner; i++) {
            float sum = 0.0f;
            const float *x = input + i;
            for (nn_dim n = 0; n < count; n++, x += inner) {
                sum += *x;
            }
            *output++ = sum / (float)count;
        }
    }
}
