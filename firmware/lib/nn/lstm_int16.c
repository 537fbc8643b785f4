/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn_lstm_cell.h"

/* One gate of one unit. A function of its own: what 64-bit arithmetic calls on a small CPU is then
 * called from few places. */
static __attribute__((noinline)) int16_t gate(uint8_t g, const int16_t *x, const int16_t *before,
                                              NN_FLASH int8_t *w, NN_FLASH int64_t *start,
                                              NN_FLASH struct nn_lstm *size,
                                              NN_FLASH struct nn_lstm_cell *params,
                                              NN_FLASH uint16_t *sigmoid)
{
    NN_FLASH struct nn_factor *input = &params->input[g], *recurrent = &params->recurrent[g];
    const int64_t of_input = *start + nn_dot_int16(x, w, size->inputs);
    const int64_t of_hidden = nn_dot_int16(before, w + size->inputs, size->units);
    return nn_lstm_gate(
        g, nn_scale_int64(of_input, (int16_t)input->multiplier, input->shift),
        nn_scale_int64(of_hidden, (int16_t)recurrent->multiplier, recurrent->shift), sigmoid);
}

/* see nn_recurrent.h */
void nn_lstm_int16(const int16_t *input, int16_t *output, int16_t *hidden, int16_t *cell,
                   NN_FLASH int8_t *weights, NN_FLASH int64_t *bias, NN_FLASH struct nn_lstm *size,
                   NN_FLASH struct nn_lstm_cell *params, NN_FLASH uint16_t *sigmoid)
{
    const struct nn_lstm s = *size;
    for (nn_dim b = 0; b < s.batches; b++, hidden += s.units, cell += s.units) {
        const int16_t *before = hidden;
        for (nn_dim t = 0; t < s.steps; t++) {
            const nn_dim row = (nn_dim)(b * s.batch_rows + t * s.step_rows);
            const int16_t *x = input + row * s.inputs;
            int16_t *y = output + row * s.units;
            NN_FLASH int8_t *w = weights;
            NN_FLASH int64_t *start = bias;
            for (nn_dim u = 0; u < s.units; u++) {
                int16_t gates[NN_GATES];
                for (uint8_t g = 0; g < NN_GATES; g++, w += s.inputs + s.units) {
                    gates[g] = gate(g, x, before, w, start++, size, params, sigmoid);
                }
                y[u] = nn_saturate_int16(nn_lstm_move_on(gates, &cell[u], params, sigmoid));
            }
            before = y;
        }
        memcpy(hidden, before, (size_t)s.units * sizeof *hidden);
    }
}
