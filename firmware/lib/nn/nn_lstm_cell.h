/* SPDX-License-Identifier: Apache-2.0
 *
 * What the LSTM kernels share: the update of one unit once its four gates are known.
 */
#ifndef NN_LSTM_CELL_H
#define NN_LSTM_CELL_H

#include "nn_fixed_point.h"
#include "nn_float.h"
#include "nn_recurrent.h"
#include "nn_sigmoid.h"

enum { NN_INPUT_GATE, NN_FORGET_GATE, NN_CELL_GATE, NN_OUTPUT_GATE, NN_GATES };

static inline int16_t nn_saturate_int16(int32_t x)
{
    return nn_clamp_int16(x, INT16_MIN, INT16_MAX);
}

static inline int32_t nn_times(int32_t x, NN_FLASH struct nn_factor *by)
{
    return nn_scale(x, by->multiplier, by->shift);
}

/* The two sums of a gate in Q3.12 -> its value in Q0.15. */
static inline int16_t nn_lstm_gate(uint8_t gate, int32_t of_input, int32_t of_hidden,
                                   NN_FLASH uint16_t *sigmoid)
{
    const int32_t sum = (int32_t)nn_saturate_int16(of_input) + nn_saturate_int16(of_hidden);
    const int32_t argument = (int32_t)3 * nn_saturate_int16(sum);
    return gate == NN_CELL_GATE ? nn_tanh_q15(argument, sigmoid)
                                : nn_logistic_q15(argument, sigmoid);
}

/* Moves the cell on; returns the new hidden value before zero point and saturation. */
static inline int32_t nn_lstm_move_on(const int16_t gates[NN_GATES], int16_t *cell,
                                      NN_FLASH struct nn_lstm_cell *params,
                                      NN_FLASH uint16_t *sigmoid)
{
    const int32_t kept = nn_times((int32_t)gates[NN_FORGET_GATE] * *cell, &params->keep);
    const int32_t taken =
        nn_times((int32_t)gates[NN_INPUT_GATE] * gates[NN_CELL_GATE], &params->take);
    int16_t c = nn_saturate_int16((int32_t)nn_saturate_int16(kept) + nn_saturate_int16(taken));
    const int16_t clip = params->clip;
    if (clip >= 0) {
        c = c > clip ? clip : c < -clip ? (int16_t)-clip : c;
    }
    *cell = c;
    const uint8_t shift = (uint8_t)params->tanh_shift;
    const int32_t half = shift ? (int32_t)1 << (shift - 1) : 0;
    const int16_t t = nn_tanh_q15((c * params->tanh_multiplier + half) >> shift, sigmoid);
    return nn_times((int32_t)t * gates[NN_OUTPUT_GATE], &params->show);
}

/* The same in float: `gates` are sums; returns the new hidden value. */
static inline float nn_lstm_move_on_float32(const float gates[NN_GATES], float *cell, float clip)
{
    const float kept = nn_logistic(gates[NN_FORGET_GATE]) * *cell;
    float c = kept + nn_logistic(gates[NN_INPUT_GATE]) * tanhf(gates[NN_CELL_GATE]);
    if (clip > 0.0f) {
        c = c > clip ? clip : c < -clip ? -clip : c;
    }
    *cell = c;
    return tanhf(c) * nn_logistic(gates[NN_OUTPUT_GATE]);
}

#endif
