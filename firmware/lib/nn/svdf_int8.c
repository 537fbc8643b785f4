/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn_fixed_point.h"

/* see nn_recurrent.h */
void nn_svdf_int8(const int8_t *input, int8_t *output, int8_t *state, NN_FLASH int8_t *feature,
                  NN_FLASH int32_t *feature_bias, NN_FLASH int8_t *time, NN_FLASH int32_t *bias,
                  NN_FLASH struct nn_svdf *size, NN_FLASH struct nn_svdf_scales *scales)
{
    const struct nn_svdf s = *size;
    const struct nn_svdf_scales by = *scales;
    for (nn_dim b = 0; b < s.batches; b++, input += s.inputs) {
        NN_FLASH int8_t *f = feature, *w = time;
        NN_FLASH int32_t *start = feature_bias;
        for (nn_dim u = 0; u < s.units; u++) {
            uint32_t sum = (uint32_t)bias[u];
            for (nn_dim r = 0; r < s.rank; r++, f += s.inputs, w += s.memory, state += s.memory) {
                const int32_t x = (int32_t)((uint32_t)*start++ + nn_dot_int8(input, f, s.inputs));
                const int32_t newest = nn_scale(x, by.to_state.multiplier, by.to_state.shift);
                memmove(state, state + 1, (size_t)(s.memory - 1));
                /* saturated before the zero point is added: the sum wraps, as the reference's */
                state[s.memory - 1] =
                    (int8_t)(nn_clamp_int8(newest, INT8_MIN, INT8_MAX) + by.state_zero_point);
                sum += nn_dot_int8(state, w, s.memory);
            }
            const int32_t y =
                nn_scale((int32_t)sum, by.to_output.multiplier, by.to_output.shift);
            *output++ =
                nn_clamp_int8(nn_add_wrapping(y, by.output_zero_point), INT8_MIN, INT8_MAX);
        }
    }
}
