/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "nn.h"

/* A shorter row counts as this long: all zeros stay zeros. */
#define SHORTEST 1e-6f

/* see nn_normalize.h */
void nn_l2_normalization_float32(const float *input, float *output, nn_dim rows, nn_dim depth)
{
    for (nn_dim row = 0; row < rows; row++, input += depth, output += depth) {
        float squares = 0.0f;
        for (nn_dim i = 0; i < depth; i++) {
            squares += input[i] * input[i];
        }
        float length = sqrtf(squares);
        length = length < SHORTEST ? SHORTEST : length;
        for (nn_dim i = 0; i < depth; i++) {
            output[i] = input[i] / length;
        }
    }
}
