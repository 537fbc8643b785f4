/* SPDX-License-Identifier: Apache-2.0
 *
 * nn.h - the contract of every kernel, once. One operation and implementation, one file.
 *
 * Common to all:
 *  - Tensors are dense, row by row, channels last, batch 1. Sizes count elements.
 *  - Parameters, weights and tables lie in flash (NN_FLASH) and are made by the compiler, which has
 *    checked them: a kernel has no error to report.
 *  - No state, no heap, no recursion. Input and output do not overlap, unless "in place" is said;
 *    then both start at the same address.
 *  - int8 results equal TensorFlow Lite Micro's reference kernels to the bit. float32 results
 *    sum in the same order as those.
 */
#ifndef NN_H
#define NN_H

#include <stdint.h>

#ifdef __AVR__
/* The named address space keeps data in flash and lets the compiler stream it with `lpm Z+`. */
#define NN_FLASH const __flash
typedef int16_t nn_dim;
#else
#define NN_FLASH const
typedef int32_t nn_dim;
#endif

/* Copies a constant from flash to RAM, for a kernel that wants an operand by an ordinary pointer. */
void nn_load(uint8_t *to, NN_FLASH uint8_t *from, nn_dim bytes);

/* A window that slides over in_height x in_width; a dimension counts elements. */
struct nn_window {
    nn_dim in_height, in_width, in_channels;
    nn_dim out_height, out_width, out_channels;
    nn_dim filter_height, filter_width;
    nn_dim stride_height, stride_width;
    nn_dim dilation_height, dilation_width;
    nn_dim pad_top, pad_left; /* taps of the first window that lie outside */
};

/* Fixed-point scaling of one output channel: the accumulator starts at `bias` (zero-point
 * correction folded in), and y = accumulator * multiplier * 2^(shift - 31), rounded twice. */
struct nn_requant {
    int32_t bias;
    int32_t multiplier;
    int8_t shift; /* -31..31; above 0 the accumulator is shifted left first */
};

/* What every int8 layer with weights needs beside its geometry. */
struct nn_range_int8 {
    int8_t input_zero_point;  /* value of a padded tap */
    int8_t output_zero_point;
    int8_t min, max;          /* fused activation */
};

struct nn_range_float32 {
    float min, max;
};

/* CONV_2D. weights[out_channels][filter_height][filter_width][in_channels], channels[out_channels]. */
void nn_conv_2d_int8(const int8_t *input, int8_t *output, NN_FLASH int8_t *weights,
                     NN_FLASH struct nn_requant *channels, NN_FLASH struct nn_window *window,
                     NN_FLASH struct nn_range_int8 *range);
void nn_conv_2d_float32(const float *input, float *output, NN_FLASH float *weights,
                        NN_FLASH float *bias, NN_FLASH struct nn_window *window,
                        NN_FLASH struct nn_range_float32 *range);

/* DEPTHWISE_CONV_2D. Output channel c reads input channel c / (out_channels / in_channels).
 * weights[out_channels][filter_height][filter_width]: one channel's taps lie together. */
void nn_depthwise_conv_2d_int8(const int8_t *input, int8_t *output, NN_FLASH int8_t *weights,
                               NN_FLASH struct nn_requant *channels,
                               NN_FLASH struct nn_window *window,
                               NN_FLASH struct nn_range_int8 *range);
void nn_depthwise_conv_2d_float32(const float *input, float *output, NN_FLASH float *weights,
                                  NN_FLASH float *bias, NN_FLASH struct nn_window *window,
                                  NN_FLASH struct nn_range_float32 *range);

/* FULLY_CONNECTED on `rows` vectors of `inputs`. weights[outputs][inputs], channels[outputs]. */
void nn_fully_connected_int8(const int8_t *input, int8_t *output, NN_FLASH int8_t *weights,
                             NN_FLASH struct nn_requant *channels, nn_dim rows, nn_dim inputs,
                             nn_dim outputs, NN_FLASH struct nn_range_int8 *range);
void nn_fully_connected_float32(const float *input, float *output, NN_FLASH float *weights,
                                NN_FLASH float *bias, nn_dim rows, nn_dim inputs, nn_dim outputs,
                                NN_FLASH struct nn_range_float32 *range);

/* MAX_POOL_2D, AVERAGE_POOL_2D: taps outside are left out. In place when nothing is padded. */
void nn_max_pool_2d_int8(const int8_t *input, int8_t *output, NN_FLASH struct nn_window *window,
                         NN_FLASH struct nn_range_int8 *range);
void nn_max_pool_2d_float32(const float *input, float *output, NN_FLASH struct nn_window *window,
                            NN_FLASH struct nn_range_float32 *range);
void nn_average_pool_2d_int8(const int8_t *input, int8_t *output,
                             NN_FLASH struct nn_window *window,
                             NN_FLASH struct nn_range_int8 *range);
void nn_average_pool_2d_float32(const float *input, float *output,
                                NN_FLASH struct nn_window *window,
                                NN_FLASH struct nn_range_float32 *range);

/* MEAN over the middle of input[outer][count][inner] -> output[outer][inner]. int8: `scale` holds
 * -count * zero point as its bias, and 1 / count in its multiplier. */
void nn_mean_int8(const int8_t *input, int8_t *output, nn_dim outer, nn_dim count, nn_dim inner,
                  NN_FLASH struct nn_requant *scale, int8_t output_zero_point);
void nn_mean_float32(const float *input, float *output, nn_dim outer, nn_dim count, nn_dim inner);

/* PAD of [height][width][depth] bytes with `fill` bytes; widths in depth count bytes as well. */
struct nn_pad {
    nn_dim height, width, depth;
    nn_dim top, bottom, left, right, front, back;
    uint8_t fill;
};
void nn_pad(const uint8_t *input, uint8_t *output, NN_FLASH struct nn_pad *pad);

/* Any int8 -> int8 function of one value (RELU, RELU6, QUANTIZE): table[(uint8_t)(x + 128)].
 * In place. */
void nn_lookup_int8(const int8_t *input, int8_t *output, nn_dim count, NN_FLASH int8_t *table);

/* RELU, RELU6 and their like: min(max(x, range.min), range.max). In place. */
void nn_clamp_float32(const float *input, float *output, nn_dim count,
                      NN_FLASH struct nn_range_float32 *range);

/* QUANTIZE: x / scale, rounded half away from zero, plus zero point, clamped to int8. In place. */
void nn_quantize_float32_int8(const float *input, int8_t *output, nn_dim count, float scale,
                              int8_t zero_point);

/* DEQUANTIZE: (x - zero_point) * scale. In place (it runs from the end). */
void nn_dequantize_int8_float32(const int8_t *input, float *output, nn_dim count, float scale,
                                int8_t zero_point);

/* SOFTMAX over the last of [rows][depth]. In place.
 * int8: exponentials[d] = exp(-d * scale * beta) in Q0.31 for d below `entries`, 0 beyond. The sum
 * is kept in Q12.19 and the last shift must stay below 32, so depth is at most 511. Output scale is
 * 1/256, zero point -128. */
void nn_softmax_int8(const int8_t *input, int8_t *output, nn_dim rows, nn_dim depth,
                     NN_FLASH int32_t *exponentials, nn_dim entries);
void nn_softmax_float32(const float *input, float *output, nn_dim rows, nn_dim depth, float beta);

#include "nn_binary.h"

#endif
