/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_float.h"
#include "nn_window.h"

/* One output element without its bias; a padded tap is zero and adds nothing. */
static float convolve(const float *input, NN_FLASH int8_t *weights, const struct nn_window *w,
                      const struct nn_span *rows, const struct nn_span *columns)
{
    const nn_dim tap = w->filter_channels;
    float sum = 0.0f;
    for (nn_dim ky = rows->first; ky < rows->end; ky++) {
        const int32_t y = rows->origin + ky * w->dilation_height;
        const float *row = input + y * w->in_width * w->in_channels;
        for (nn_dim kx = columns->first; kx < columns->end; kx++) {
            const float *x = row + (columns->origin + kx * w->dilation_width) * w->in_channels;
            NN_FLASH int8_t *filter = weights + (ky * w->filter_width + kx) * tap;
            for (nn_dim c = 0; c < tap; c++) {
                sum += x[c] * (float)filter[c];
            }
        }
    }
    return sum;
}

/* see nn_layers.h */
void nn_conv_2d_float32_int8(const float *input, float *output, void *ring,
                             NN_FLASH int8_t *weights, NN_FLASH struct nn_scale_float32 *channels,
                             NN_FLASH struct nn_window *window,
                             NN_FLASH struct nn_range_float32 *range)
{
    const struct nn_window w = *window;
    const struct nn_range_float32 r = *range;
    struct nn_delay delay = nn_delay_start(&w, output, ring, sizeof *output);
    const nn_dim taps = (nn_dim)(w.filter_height * w.filter_width * w.filter_channels);
    const nn_dim filters = w.group_filters;
    for (nn_dim n = 0; n < w.batches; n++, input += nn_image(&w)) {
        for (nn_dim y = 0; y < w.out_height; y++) {
            const struct nn_span rows = nn_rows_at(&w, y);
            for (nn_dim x = 0; x < w.out_width; x++) {
                const struct nn_span columns = nn_columns_at(&w, x);
                float *pixel = nn_delay_next(&delay);
                NN_FLASH int8_t *filter = weights;
                NN_FLASH struct nn_scale_float32 *channel = channels;
                for (nn_dim from = 0; from < w.in_channels; from += w.filter_channels) {
                    for (nn_dim f = 0; f < filters; f++, filter += taps, channel++) {
                        const float sum = convolve(input + from, filter, &w, &rows, &columns);
                        *pixel++ = nn_clamp(sum * channel->scale + channel->bias, &r);
                    }
                }
            }
        }
    }
    nn_delay_end(&delay);
}
