/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn_lstm_cell.h"

/* see nn_recurrent.h */
void nn_lstm_float32(const float *input, float *output, float *hidden, float *cell,
                     NN_FLASH float *weights, NN_FLASH float *bias, NN_FLASH struct nn_lstm *size,
                     float clip)
{
    const struct nn_lstm s = *size;
    for (nn_dim b = 0; b < s.batches; b++, hidden += s.units, cell += s.units) {
        const float *before = hidden;
        for (nn_dim t = 0; t < s.steps; t++) {
            const nn_dim row = (nn_dim)(b * s.batch_rows + t * s.step_rows);
            const float *x = input + row * s.inputs;
            float *y = output + row * s.units;
            NN_FLASH float *w = weights, *start = bias;
            for (nn_dim u = 0; u < s.units; u++) {
                float gates[NN_GATES];
                for (uint8_t g = 0; g < NN_GATES; g++) {
                    const float of_input = nn_dot_float32(x, w, s.inputs) + *start++;
                    w += s.inputs;
                    gates[g] = of_input + nn_dot_float32(before, w, s.units);
                    w += s.units;
                }
                y[u] = nn_lstm_move_on_float32(gates, &cell[u], clip);
            }
            before = y;
        }
        memcpy(hidden, before, (size_t)s.units * sizeof *hidden);
    }
}
