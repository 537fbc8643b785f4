/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn_lstm_cell.h"

/* see nn_recurrent.h */
void nn_lstm_int8(const int8_t *input, int8_t *output, int8_t *hidden, int16_t *cell,
                  NN_FLASH int8_t *weights, NN_FLASH int32_t *bias, NN_FLASH struct nn_lstm *size,
                  NN_FLASH struct nn_lstm_cell *params, NN_FLASH uint16_t *sigmoid)
{
    const struct nn_lstm s = *size;
    for (nn_dim b = 0; b < s.batches; b++, hidden += s.units, cell += s.units) {
        const int8_t *before = hidden;
        for (nn_dim t = 0; t < s.steps; t++) {
            const nn_dim row = (nn_dim)(b * s.batch_rows + t * s.step_rows);
            const int8_t *x = input + row * s.inputs;
            int8_t *y = output + row * s.units;
            NN_FLASH int8_t *w = weights;
            NN_FLASH int32_t *start = bias;
            for (nn_dim u = 0; u < s.units; u++) {
                int16_t gates[NN_GATES];
                for (uint8_t g = 0; g < NN_GATES; g++, start += 2) {
                    const uint32_t of_input = (uint32_t)start[0] + nn_dot_int8(x, w, s.inputs);
                    w += s.inputs;
                    const uint32_t of_hidden = (uint32_t)start[1] + nn_dot_int8(before, w, s.units);
                    w += s.units;
                    gates[g] = nn_lstm_gate(g, nn_times((int32_t)of_input, &params->input[g]),
                                            nn_times((int32_t)of_hidden, &params->recurrent[g]),
                                            sigmoid);
                }
                const int32_t h = nn_lstm_move_on(gates, &cell[u], params, sigmoid);
                y[u] = nn_clamp_int8(h + params->hidden_zero_point, INT8_MIN, INT8_MAX);
            }
            before = y;
        }
        memcpy(hidden, before, (size_t)s.units);
    }
}
