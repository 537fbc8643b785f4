/* SPDX-License-Identifier: Apache-2.0
 *
 * From one element type to another, element by element, all in place: where the output is wider they
 * run from the end. Two types share the bytes then, so that where none of them is a character type the
 * output is stored by memcpy, which a compiler may not move past the reads.
 */
#ifndef NN_CONVERT_H
#define NN_CONVERT_H

#include "nn.h"

/* QUANTIZE: x / scale, rounded half away from zero, plus zero point, clamped. What is no number becomes
 * the smallest value. */
void nn_quantize_float32_int8(const float *input, int8_t *output, nn_dim count, float scale,
                              int8_t zero_point);
void nn_quantize_float32_uint8(const float *input, uint8_t *output, nn_dim count, float scale,
                               uint8_t zero_point);
void nn_quantize_float32_int16(const float *input, int16_t *output, nn_dim count, float scale,
                               int16_t zero_point);

/* From one scale and zero point to another: (x - input_zero_point) * multiplier * 2^(shift - 31) +
 * output_zero_point, between min and max. */
struct nn_rescale {
    int32_t input_zero_point, output_zero_point;
    int32_t min, max;
    int32_t multiplier;
    int8_t shift;
};

/* QUANTIZE of stored values; int16 -> int16 is RELU as well. */
void nn_quantize_int8_int16(const int8_t *input, int16_t *output, nn_dim count,
                            NN_FLASH struct nn_rescale *params);
void nn_quantize_int8_int32(const int8_t *input, int32_t *output, nn_dim count,
                            NN_FLASH struct nn_rescale *params);
void nn_quantize_int16_int8(const int16_t *input, int8_t *output, nn_dim count,
                            NN_FLASH struct nn_rescale *params);
void nn_quantize_int16_int16(const int16_t *input, int16_t *output, nn_dim count,
                             NN_FLASH struct nn_rescale *params);
void nn_quantize_int16_int32(const int16_t *input, int32_t *output, nn_dim count,
                             NN_FLASH struct nn_rescale *params);
void nn_quantize_int32_int8(const int32_t *input, int8_t *output, nn_dim count,
                            NN_FLASH struct nn_rescale *params);
void nn_quantize_int32_int16(const int32_t *input, int16_t *output, nn_dim count,
                             NN_FLASH struct nn_rescale *params);

/* DEQUANTIZE: (x - zero_point) * scale. */
void nn_dequantize_int8_float32(const int8_t *input, float *output, nn_dim count, float scale,
                                int8_t zero_point);
void nn_dequantize_uint8_float32(const uint8_t *input, float *output, nn_dim count, float scale,
                                 uint8_t zero_point);
void nn_dequantize_int16_float32(const int16_t *input, float *output, nn_dim count, float scale,
                                 int16_t zero_point);

/* A number of 1, 2, 4 or 8 bytes, least significant first as on every CPU that we have. */
struct nn_integer_form {
    uint8_t bytes;
    uint8_t is_signed;
};

/* CAST of integers, bool being one byte of 0 or 1: cut off where the output is narrower. */
void nn_cast_integer(const uint8_t *input, uint8_t *output, nn_dim count,
                     NN_FLASH struct nn_integer_form *from, uint8_t output_bytes);
/* CAST to bool of elements of `bytes` bytes; `top_mask` takes a float's sign out of the last one. */
void nn_cast_bool(const uint8_t *input, uint8_t *output, nn_dim count, uint8_t bytes,
                  uint8_t top_mask);
/* CAST of integers of up to 4 bytes, and of 8, to float. */
void nn_cast_integer_float32(const uint8_t *input, float *output, nn_dim count,
                             NN_FLASH struct nn_integer_form *from);
void nn_cast_int64_float32(const int64_t *input, float *output, nn_dim count);
/* CAST of floats towards zero, to integers of up to 4 bytes and of 8. What 32 (64) bits do not hold
 * becomes their smallest value before the upper bytes are cut off. */
void nn_cast_float32_integer(const float *input, uint8_t *output, nn_dim count,
                             uint8_t output_bytes);
void nn_cast_float32_int64(const float *input, int64_t *output, nn_dim count);

#endif
