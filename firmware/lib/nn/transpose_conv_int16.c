/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"
#include "nn_window.h"

/* One output element without its bias. */
static int64_t gather(const int16_t *input, NN_FLASH int8_t *weights, const struct nn_window *w,
                      const struct nn_span *rows, const struct nn_span *columns)
{
    const nn_dim depth = w->in_channels;
    int64_t sum = 0;
    for (nn_dim y = rows->first; y < rows->end; y++) {
        const nn_dim ky = (nn_dim)(rows->origin - y * w->stride_height);
        for (nn_dim x = columns->first; x < columns->end; x++) {
            const nn_dim kx = (nn_dim)(columns->origin - x * w->stride_width);
            const int16_t *from = input + ((int32_t)y * w->in_width + x) * depth;
            NN_FLASH int8_t *filter = weights + (ky * w->filter_width + kx) * depth;
            sum += nn_dot_int16(from, filter, depth);
        }
    }
    return sum;
}

/* see nn_layers.h */
void nn_transpose_conv_int16(const int16_t *input, int16_t *output, NN_FLASH int8_t *weights,
                             NN_FLASH struct nn_requant_int16 *channels,
                             NN_FLASH struct nn_window *window,
                             NN_FLASH struct nn_range_int16 *range)
{
    const struct nn_window w = *window;
    const struct nn_range_int16 r = *range;
    const int32_t taps = (int32_t)w.filter_height * w.filter_width * w.in_channels;
    for (nn_dim n = 0; n < w.batches; n++, input += nn_image(&w)) {
        for (nn_dim y = 0; y < w.out_height; y++) {
            const struct nn_span rows = nn_rows_onto(&w, y);
            for (nn_dim x = 0; x < w.out_width; x++) {
                const struct nn_span columns = nn_columns_onto(&w, x);
                NN_FLASH int8_t *filter = weights;
                for (nn_dim c = 0; c < w.out_channels; c++, filter += taps) {
                    const int64_t sum = gather(input, filter, &w, &rows, &columns);
                    *output++ = nn_requantize_int16(sum, &channels[c], &r);
                }
            }
        }
    }
}
