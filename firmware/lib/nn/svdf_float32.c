/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn_float.h"

/* see nn_recurrent.h */
void nn_svdf_float32(const float *input, float *output, float *state, NN_FLASH float *feature,
                     NN_FLASH float *time, NN_FLASH float *bias, NN_FLASH struct nn_svdf *size,
                     NN_FLASH struct nn_range_float32 *range)
{
    const struct nn_svdf s = *size;
    const struct nn_range_float32 limits = *range;
    for (nn_dim b = 0; b < s.batches; b++, input += s.inputs) {
        NN_FLASH float *f = feature, *w = time;
        for (nn_dim u = 0; u < s.units; u++) {
            float y = bias[u];
            for (nn_dim r = 0; r < s.rank; r++, f += s.inputs, w += s.memory, state += s.memory) {
                memmove(state, state + 1, (size_t)(s.memory - 1) * sizeof *state);
                state[s.memory - 1] = nn_dot_float32(input, f, s.inputs);
                y += nn_dot_float32(state, w, s.memory);
            }
            *output++ = nn_clamp(y, &limits);
        }
    }
}
