/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_float.h"
#include "nn_window.h"

/* One output element without its bias; a padded tap is zero and adds nothing. */
static float convolve(const float *input, NN_FLASH float *weights, const struct nn_window *w,
                     const struct nn_span *rows, const struct nn_span *columns)
{
    float sum = 0.0f;
    for (nn_dim ky = rows->first; ky < rows->end; ky++) {
        const int32_t y = rows->origin + ky * w->dilation_height;
        for (nn_dim kx = columns->first; kx < columns->end; kx++) {
            const int32_t x = columns->origin + kx * w->dilation_width;
            sum += input[(y * w->in_width + x) * w->in_channels] *
                   weights[ky * w->filter_width + kx];
        }
    }
    return sum;
}

/* see nn_layers.h */
void nn_depthwise_conv_2d_float32(const float *input, float *output, void *ring,
                                  NN_FLASH float *weights, NN_FLASH float *bias,
                                  NN_FLASH struct nn_window *window,
                                  NN_FLASH struct nn_range_float32 *range)
{
    const struct nn_window w = *window;
    const struct nn_range_float32 r = *range;
    struct nn_delay delay = nn_delay_start(&w, output, ring, sizeof *output);
    const nn_dim taps = (nn_dim)(w.filter_height * w.filter_width);
    const nn_dim multiplier = (nn_dim)(w.out_channels / w.in_channels);
    for (nn_dim n = 0; n < w.batches; n++, input += nn_image(&w)) {
        for (nn_dim y = 0; y < w.out_height; y++) {
            const struct nn_span rows = nn_rows_at(&w, y);
            for (nn_dim x = 0; x < w.out_width; x++) {
                const struct nn_span columns = nn_columns_at(&w, x);
                float *pixel = nn_delay_next(&delay);
                NN_FLASH float *filter = weights;
                NN_FLASH float *channel_bias = bias;
                for (nn_dim c = 0; c < w.in_channels; c++) {
                    for (nn_dim m = 0; m < multiplier; m++, filter += taps, channel_bias++) {
                        const float sum = convolve(input + c, filter, &w, &rows, &columns);
                        *pixel++ = nn_clamp(sum + *channel_bias, &r);
                    }
                }
            }
        }
    }
    nn_delay_end(&delay);
}
