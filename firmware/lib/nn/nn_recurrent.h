/* SPDX-License-Identifier: Apache-2.0
 *
 * nn_recurrent.h - layers with a memory. nn.h says what is common to all kernels; here the state is
 * an argument that is read and written, and lies apart from input and output.
 */
#ifndef NN_RECURRENT_H
#define NN_RECURRENT_H

#include "nn.h"

/* y = x * multiplier * 2^(shift - 31), rounded twice; where the sums have 64 bits, x * multiplier *
 * 2^(shift - 15), rounded half up, with a multiplier of 15 bits and a shift below 8. */
struct nn_factor {
    int32_t multiplier;
    int8_t shift;
};

/* UNIDIRECTIONAL_SEQUENCE_LSTM without peephole, projection and layer norm. Step t of batch b is row
 * b * batch_rows + t * step_rows of input[][inputs] and output[][units].
 *
 * hidden[batches][units], cell[batches][units]: the state. weights[units][4][inputs + units]: of the
 * input, forget, cell and output gate, what multiplies the input before what multiplies the hidden
 * values. The steps of one batch read their hidden values from the output of the step before. */
struct nn_lstm {
    nn_dim batches, steps, inputs, units;
    nn_dim batch_rows, step_rows;
};

/* The integer forms: gates come out of their sums in Q3.12, pass the logistic function or tanh
 * (nn_sigmoid.h) and are Q0.15; the cell is int16. */
struct nn_lstm_cell {
    struct nn_factor input[4], recurrent[4]; /* sums -> Q3.12 */
    struct nn_factor keep;                   /* forget gate x cell -> cell */
    struct nn_factor take;                   /* input gate x cell gate -> cell */
    struct nn_factor show;                   /* output gate x tanh(cell) -> hidden */
    int32_t tanh_multiplier;                  /* cell -> argument of tanh */
    int8_t tanh_shift;                        /* to the right, after it */
    int8_t hidden_zero_point;
    int16_t clip; /* of the cell; below 0: none */
};

/* bias[units][4][2]: where the sums over input and hidden values start, zero points folded in. */
void nn_lstm_int8(const int8_t *input, int8_t *output, int8_t *hidden, int16_t *cell,
                  NN_FLASH int8_t *weights, NN_FLASH int32_t *bias, NN_FLASH struct nn_lstm *size,
                  NN_FLASH struct nn_lstm_cell *params, NN_FLASH uint16_t *sigmoid);
/* 16x8: zero points are 0, bias[units][4]; `input` and `recurrent` scale 64-bit sums. */
void nn_lstm_int16(const int16_t *input, int16_t *output, int16_t *hidden, int16_t *cell,
                   NN_FLASH int8_t *weights, NN_FLASH int64_t *bias, NN_FLASH struct nn_lstm *size,
                   NN_FLASH struct nn_lstm_cell *params, NN_FLASH uint16_t *sigmoid);
/* bias[units][4]; a `clip` of 0 is none. */
void nn_lstm_float32(const float *input, float *output, float *hidden, float *cell,
                     NN_FLASH float *weights, NN_FLASH float *bias, NN_FLASH struct nn_lstm *size,
                     float clip);
/* Hybrid: scales[4][2] of the weights for the input and for the hidden values of each gate. */
void nn_lstm_float32_int8(const float *input, float *output, float *hidden, float *cell,
                          NN_FLASH int8_t *weights, NN_FLASH float *bias, NN_FLASH float *scales,
                          NN_FLASH struct nn_lstm *size, float clip);

/* SVDF: `rank` filters per unit. state[batches][units][rank][memory] moves by one to the left; what
 * feature[units][rank][inputs] makes of the input becomes its last column. The output is bias[units]
 * plus the products of state and time[units][rank][memory]. */
struct nn_svdf {
    nn_dim batches, inputs, units, rank, memory;
};

/* Zero points are folded into feature_bias[units][rank] and bias. */
struct nn_svdf_scales {
    struct nn_factor to_state, to_output;
    int8_t state_zero_point, output_zero_point;
};

void nn_svdf_int8(const int8_t *input, int8_t *output, int8_t *state, NN_FLASH int8_t *feature,
                  NN_FLASH int32_t *feature_bias, NN_FLASH int8_t *time, NN_FLASH int32_t *bias,
                  NN_FLASH struct nn_svdf *size, NN_FLASH struct nn_svdf_scales *scales);
/* State and time weights are int16, the state's zero point is 0. */
void nn_svdf_int8_int16(const int8_t *input, int8_t *output, int16_t *state,
                        NN_FLASH int8_t *feature, NN_FLASH int32_t *feature_bias,
                        NN_FLASH int16_t *time, NN_FLASH int32_t *bias,
                        NN_FLASH struct nn_svdf *size, NN_FLASH struct nn_svdf_scales *scales);
void nn_svdf_float32(const float *input, float *output, float *state, NN_FLASH float *feature,
                     NN_FLASH float *time, NN_FLASH float *bias, NN_FLASH struct nn_svdf *size,
                     NN_FLASH struct nn_range_float32 *range);

#endif
