/* SPDX-License-Identifier: Apache-2.0
 *
 * nn_layers.h - layers with weights, and pools. nn.h says what is common to all kernels.
 *
 * Four forms of a layer with weights, by the end of its name:
 *  - int8: weights int8, one scale per output channel, 32-bit sums that wrap.
 *  - int16: activations int16 with zero point 0, weights int8 (16x8).
 *  - float32: weights float32.
 *  - float32_int8 (hybrid): weights int8 of any origin, sum * scale + bias per output channel.
 * In place only where the compiler has proven that no input is read after it was overwritten:
 * outputs are written in order, each after all of its own taps were read. Convolutions can wait
 * longer: with a ring, a pixel is written when `held_pixels` more have been worked out.
 */
#ifndef NN_LAYERS_H
#define NN_LAYERS_H

#include "nn.h"

/* A window that slides over in_height x in_width; a dimension counts elements. */
struct nn_window {
    nn_dim batches;
    nn_dim in_height, in_width, in_channels;
    nn_dim out_height, out_width, out_channels;
    nn_dim filter_height, filter_width;
    nn_dim filter_channels; /* input channels of one output channel: in_channels / groups */
    nn_dim stride_height, stride_width;
    nn_dim dilation_height, dilation_width;
    nn_dim pad_top, pad_left; /* taps of the first window that lie outside */
    nn_dim held_pixels;       /* output pixels in the ring of a convolution; 0: no ring */
    nn_dim group_filters;     /* output channels of one group */
    nn_dim joined;            /* taps of one row lie together in the input: one group, no dilation */
};

/* Scaling of one int16 output channel: y = (sum + bias) * multiplier * 2^(shift - 15), rounded half
 * up, with a multiplier of 15 bits. With 32-bit sums (nn_range_int16.narrow) sum and bias wrap, the
 * multiplier has 31 bits and the rounding is that of nn_requant. */
struct nn_requant_int16 {
    int64_t bias;
    int32_t multiplier;
    int8_t shift; /* below 8, or -31..31 where narrow */
};

struct nn_range_int16 {
    int16_t min, max; /* fused activation */
    uint8_t narrow;
};

/* One output channel of a hybrid layer. */
struct nn_scale_float32 {
    float scale, bias;
};

/* CONV_2D. weights[out_channels][filter_height][filter_width][filter_channels],
 * channels[out_channels]; output channels of one group lie together. */
void nn_conv_2d_int8(const int8_t *input, int8_t *output, void *ring, NN_FLASH int8_t *weights,
                     NN_FLASH struct nn_requant *channels, NN_FLASH struct nn_window *window,
                     NN_FLASH struct nn_range_int8 *range);
void nn_conv_2d_int16(const int16_t *input, int16_t *output, void *ring, NN_FLASH int8_t *weights,
                      NN_FLASH struct nn_requant_int16 *channels, NN_FLASH struct nn_window *window,
                      NN_FLASH struct nn_range_int16 *range);
void nn_conv_2d_float32(const float *input, float *output, void *ring, NN_FLASH float *weights,
                        NN_FLASH float *bias, NN_FLASH struct nn_window *window,
                        NN_FLASH struct nn_range_float32 *range);
void nn_conv_2d_float32_int8(const float *input, float *output, void *ring,
                             NN_FLASH int8_t *weights, NN_FLASH struct nn_scale_float32 *channels,
                             NN_FLASH struct nn_window *window,
                             NN_FLASH struct nn_range_float32 *range);

/* DEPTHWISE_CONV_2D. Output channel c reads input channel c / (out_channels / in_channels).
 * weights[out_channels][filter_height][filter_width]: one channel's taps lie together. */
void nn_depthwise_conv_2d_int8(const int8_t *input, int8_t *output, void *ring,
                               NN_FLASH int8_t *weights, NN_FLASH struct nn_requant *channels,
                               NN_FLASH struct nn_window *window,
                               NN_FLASH struct nn_range_int8 *range);
void nn_depthwise_conv_2d_int16(const int16_t *input, int16_t *output, void *ring,
                                NN_FLASH int8_t *weights,
                                NN_FLASH struct nn_requant_int16 *channels,
                                NN_FLASH struct nn_window *window,
                                NN_FLASH struct nn_range_int16 *range);
void nn_depthwise_conv_2d_float32(const float *input, float *output, void *ring,
                                  NN_FLASH float *weights, NN_FLASH float *bias,
                                  NN_FLASH struct nn_window *window,
                                  NN_FLASH struct nn_range_float32 *range);
void nn_depthwise_conv_2d_float32_int8(const float *input, float *output, void *ring,
                                       NN_FLASH int8_t *weights,
                                       NN_FLASH struct nn_scale_float32 *channels,
                                       NN_FLASH struct nn_window *window,
                                       NN_FLASH struct nn_range_float32 *range);

/* TRANSPOSE_CONV: input (y, x) adds to the filter's area at output (y * stride_height - pad_top,
 * x * stride_width - pad_left); what falls outside is dropped. Weights as CONV_2D's, one group. The
 * int8 biases have no zero point folded in, since each output has taps of its own. */
void nn_transpose_conv_int8(const int8_t *input, int8_t *output, NN_FLASH int8_t *weights,
                            NN_FLASH struct nn_requant *channels,
                            NN_FLASH struct nn_window *window,
                            NN_FLASH struct nn_range_int8 *range);
void nn_transpose_conv_int16(const int16_t *input, int16_t *output, NN_FLASH int8_t *weights,
                             NN_FLASH struct nn_requant_int16 *channels,
                             NN_FLASH struct nn_window *window,
                             NN_FLASH struct nn_range_int16 *range);
void nn_transpose_conv_float32(const float *input, float *output, NN_FLASH float *weights,
                               NN_FLASH float *bias, NN_FLASH struct nn_window *window,
                               NN_FLASH struct nn_range_float32 *range);

/* FULLY_CONNECTED on `rows` vectors of `inputs`. weights[outputs][inputs], channels[outputs]. */
void nn_fully_connected_int8(const int8_t *input, int8_t *output, NN_FLASH int8_t *weights,
                             NN_FLASH struct nn_requant *channels, nn_dim rows, nn_dim inputs,
                             nn_dim outputs, NN_FLASH struct nn_range_int8 *range);
void nn_fully_connected_int16(const int16_t *input, int16_t *output, NN_FLASH int8_t *weights,
                              NN_FLASH struct nn_requant_int16 *channels, nn_dim rows,
                              nn_dim inputs, nn_dim outputs,
                              NN_FLASH struct nn_range_int16 *range);
void nn_fully_connected_float32(const float *input, float *output, NN_FLASH float *weights,
                                NN_FLASH float *bias, nn_dim rows, nn_dim inputs, nn_dim outputs,
                                NN_FLASH struct nn_range_float32 *range);
void nn_fully_connected_float32_int8(const float *input, float *output, NN_FLASH int8_t *weights,
                                     NN_FLASH struct nn_scale_float32 *channels, nn_dim rows,
                                     nn_dim inputs, nn_dim outputs,
                                     NN_FLASH struct nn_range_float32 *range);

/* The product of two computed matrices, for all of batches[0] x batches[1] x batches[2]:
 * output[row][column] = sum over k of a[row][k] * b[column][k]. Steps are counted in elements of
 * the operand; a step of 0 repeats it. */
struct nn_matmul_operand {
    nn_dim batch_steps[3];
    nn_dim row_step; /* a: to the next row; b: to the next column of the output */
    nn_dim step;     /* to the next k */
};

struct nn_matmul {
    nn_dim batches[3];
    nn_dim rows, columns, depth;
    struct nn_matmul_operand a, b;
};

/* BATCH_MATMUL, and FULLY_CONNECTED whose weights are computed. `bias` has one value per column, or
 * is a null pointer. */
struct nn_matmul_int8 {
    int8_t a_zero_point, b_zero_point, output_zero_point;
    int8_t min, max;
    int8_t shift;
    int32_t multiplier;
};
void nn_batch_matmul_int8(const int8_t *a, const int8_t *b, int8_t *output,
                          NN_FLASH int32_t *bias, NN_FLASH struct nn_matmul *matmul,
                          NN_FLASH struct nn_matmul_int8 *params);
/* Scaling as that of nn_requant_int16 without a bias. */
void nn_batch_matmul_int16(const int16_t *a, const int16_t *b, int16_t *output,
                           NN_FLASH struct nn_matmul *matmul, int16_t multiplier, int8_t shift);
void nn_batch_matmul_float32(const float *a, const float *b, float *output, NN_FLASH float *bias,
                             NN_FLASH struct nn_matmul *matmul,
                             NN_FLASH struct nn_range_float32 *range);

/* MAX_POOL_2D, AVERAGE_POOL_2D: taps outside are left out. */
void nn_max_pool_2d_int8(const int8_t *input, int8_t *output, NN_FLASH struct nn_window *window,
                         NN_FLASH struct nn_range_int8 *range);
void nn_max_pool_2d_int16(const int16_t *input, int16_t *output,
                          NN_FLASH struct nn_window *window,
                          NN_FLASH struct nn_range_int16 *range);
void nn_max_pool_2d_float32(const float *input, float *output, NN_FLASH struct nn_window *window,
                            NN_FLASH struct nn_range_float32 *range);
void nn_average_pool_2d_int8(const int8_t *input, int8_t *output,
                             NN_FLASH struct nn_window *window,
                             NN_FLASH struct nn_range_int8 *range);
void nn_average_pool_2d_int16(const int16_t *input, int16_t *output,
                              NN_FLASH struct nn_window *window,
                              NN_FLASH struct nn_range_int16 *range);
void nn_average_pool_2d_float32(const float *input, float *output,
                                NN_FLASH struct nn_window *window,
                                NN_FLASH struct nn_range_float32 *range);

#endif
