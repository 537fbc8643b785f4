/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_float.h"
#include "nn_window.h"

/* One output element without its bias; a padded tap is zero and adds nothing. */
static float convolve(const float *input, NN_FLASH float *weights, const struct nn_window *w,
                      const struct nn_span *rows, const struct nn_span *columns)
{
    const nn_dim tap = w->in_channels;
    float sum = 0.0f;
    for (nn_dim ky = rows->first; ky < rows->end; ky++) {
        const float *row =
            input + (int32_t)(rows->origin + ky * w->dilation_height) * w->in_width * tap;
        for (nn_dim kx = columns->first; kx < columns->end; kx++) {
            const float *x = row + (columns->origin + kx * w->dilation_width) * tap;
            NN_FLASH float *filter = weights + (ky * w->filter_width + kx) * tap;
            for (nn_dim c = 0; c < tap; c++) {
                sum += x[c] * filter[c];
            }
        }
    }
    return sum;
}

/* see nn.h */
void nn_conv_2d_float32(const float *input, float *output, NN_FLASH float *weights,
                        NN_FLASH float *bias, NN_FLASH struct nn_window *window,
                        NN_FLASH struct nn_range_float32 *range)
{
    const struct nn_window w = *window;
    const struct nn_range_float32 r = *range;
    const nn_dim taps = (nn_dim)(w.filter_height * w.filter_width * w.in_channels);
    for (nn_dim y = 0; y < w.out_height; y++) {
        const struct nn_span rows = nn_rows_at(&w, y);
        for (nn_dim x = 0; x < w.out_width; x++) {
            const struct nn_span columns = nn_columns_at(&w, x);
            NN_FLASH float *filter = weights;
            for (nn_dim c = 0; c < w.out_channels; c++, filter += taps) {
                const float sum = convolve(input, filter, &w, &rows, &columns);
                *output++ = nn_clamp(sum + bias[c], &r);
            }
        }
    }
}
