/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "nn.h"

/* see nn.h */
void nn_softmax_float32(const float *input, float *output, nn_dim rows, nn_dim depth, float beta)
{
    for (nn_dim row = 0; row < rows; row++, input += depth, output += depth) {
        float largest = input[0];
        for (nn_dim i = 1; i < depth; i++) {
            largest = input[i] > largest ? input[i] : largest;
        }
        float sum = 0.0f;
        for (nn_dim i = 0; i < depth; i++) {
            output[i] = expf((input[i] - largest) * beta);
            sum += output[i];
        }
        for (nn_dim i = 0; i < depth; i++) {
            output[i] = output[i] / sum;
        }
    }
}
