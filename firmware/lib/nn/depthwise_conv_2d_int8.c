/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"
#include "nn_window.h"

/* One output element. Taps outside hold the zero point, see conv_2d_int8.c. */
static uint32_t convolve(const int8_t *input, NN_FLASH int8_t *weights, uint32_t sum,
                         const struct nn_window *w, const struct nn_span *rows,
                         const struct nn_span *columns, int8_t padding)
{
    const int32_t step = (int32_t)w->dilation_width * w->in_channels;
    for (nn_dim ky = 0; ky < w->filter_height; ky++) {
        const int row_inside = ky >= rows->first && ky < rows->end;
        const int32_t y = rows->origin + ky * w->dilation_height;
        /* an index, since a pointer must not leave the input even unread */
        int32_t at = row_inside ? (y * w->in_width + columns->origin) * w->in_channels : 0;
        for (nn_dim kx = 0; kx < w->filter_width; kx++, at += step) {
            const int inside = row_inside && kx >= columns->first && kx < columns->end;
            const int16_t value = inside ? input[at] : padding;
            sum += (uint32_t)(int16_t)(value * (int16_t)*weights++);
        }
    }
    return sum;
}

/* see nn_layers.h */
void nn_depthwise_conv_2d_int8(const int8_t *input, int8_t *output, void *ring,
                               NN_FLASH int8_t *weights, NN_FLASH struct nn_requant *channels,
                               NN_FLASH struct nn_window *window,
                               NN_FLASH struct nn_range_int8 *range)
{
    const struct nn_window w = *window;
    const struct nn_range_int8 r = *range;
    struct nn_delay delay = nn_delay_start(&w, output, ring, sizeof *output);
    const nn_dim taps = (nn_dim)(w.filter_height * w.filter_width);
    const nn_dim multiplier = (nn_dim)(w.out_channels / w.in_channels);
    for (nn_dim n = 0; n < w.batches; n++, input += nn_image(&w)) {
        for (nn_dim y = 0; y < w.out_height; y++) {
            const struct nn_span rows = nn_rows_at(&w, y);
            for (nn_dim x = 0; x < w.out_width; x++) {
                const struct nn_span columns = nn_columns_at(&w, x);
                int8_t *pixel = nn_delay_next(&delay);
                NN_FLASH int8_t *filter = weights;
                NN_FLASH struct nn_requant *channel = channels;
                for (nn_dim c = 0; c < w.in_channels; c++) {
                    for (nn_dim m = 0; m < multiplier; m++, filter += taps, channel++) {
                        const uint32_t sum =
                            convolve(input + c, filter, (uint32_t)channel->bias, &w, &rows,
                                     &columns, r.input_zero_point);
                        *pixel++ = nn_requantize((int32_t)sum, channel, &r);
                    }
                }
            }
        }
    }
    nn_delay_end(&delay);
}
