/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"
#include "nn_window.h"

/* Sums are unsigned: they wrap. */
static uint32_t dot(const int8_t *x, NN_FLASH int8_t *w, nn_dim n, uint32_t sum)
{
    while (n-- > 0) {
        sum += (uint32_t)(int16_t)((int16_t)*x++ * (int16_t)*w++);
    }
    return sum;
}

/* A padded tap holds the zero point: the folded bias has taken it off, so it is put back. */
static uint32_t dot_padding(int8_t x, NN_FLASH int8_t *w, nn_dim n, uint32_t sum)
{
    while (n-- > 0) {
        sum += (uint32_t)(int16_t)((int16_t)x * (int16_t)*w++);
    }
    return sum;
}

/* One output element: the taps of the window in the order of the weights. */
static uint32_t convolve(const int8_t *input, NN_FLASH int8_t *weights, uint32_t sum,
                         const struct nn_window *w, const struct nn_span *rows,
                         const struct nn_span *columns, int8_t padding)
{
    const nn_dim tap = w->filter_channels;
    const nn_dim row_taps = (nn_dim)(w->filter_width * tap);
    for (nn_dim ky = 0; ky < w->filter_height; ky++, weights += row_taps) {
        if (ky < rows->first || ky >= rows->end) {
            sum = dot_padding(padding, weights, row_taps, sum);
            continue;
        }
        const int32_t y = rows->origin + ky * w->dilation_height;
        const int8_t *row = input + y * w->in_width * w->in_channels;
        const nn_dim inside = (nn_dim)(columns->end - columns->first);
        sum = dot_padding(padding, weights, (nn_dim)(columns->first * tap), sum);
        if (w->joined) {
            /* neighbouring taps are neighbouring memory: one long run */
            sum = dot(row + (columns->origin + columns->first) * tap,
                      weights + columns->first * tap, (nn_dim)(inside * tap), sum);
        } else {
            for (nn_dim kx = columns->first; kx < columns->end; kx++) {
                sum = dot(row + (columns->origin + kx * w->dilation_width) * w->in_channels,
                          weights + kx * tap, tap, sum);
            }
        }
        sum = dot_padding(padding, weights + columns->end * tap,
                          (nn_dim)((w->filter_width - columns->end) * tap), sum);
    }
    return sum;
}

/* see nn_layers.h */
void nn_conv_2d_int8(const int8_t *input, int8_t *output, void *ring, NN_FLASH int8_t *weights,
                     NN_FLASH struct nn_requant *channels, NN_FLASH struct nn_window *window,
                     NN_FLASH struct nn_range_int8 *range)
{
    const struct nn_window w = *window;
    const struct nn_range_int8 r = *range;
    struct nn_delay delay = nn_delay_start(&w, output, ring, sizeof *output);
    const nn_dim taps = (nn_dim)(w.filter_height * w.filter_width * w.filter_channels);
    const nn_dim filters = w.group_filters;
    for (nn_dim n = 0; n < w.batches; n++, input += nn_image(&w)) {
        for (nn_dim y = 0; y < w.out_height; y++) {
            const struct nn_span rows = nn_rows_at(&w, y);
            for (nn_dim x = 0; x < w.out_width; x++) {
                const struct nn_span columns = nn_columns_at(&w, x);
                int8_t *pixel = nn_delay_next(&delay);
                NN_FLASH int8_t *filter = weights;
                NN_FLASH struct nn_requant *channel = channels;
                for (nn_dim from = 0; from < w.in_channels; from += w.filter_channels) {
                    for (nn_dim f = 0; f < filters; f++, filter += taps, channel++) {
                        const uint32_t sum =
                            convolve(input + from, filter, (uint32_t)channel->bias, &w, &rows,
                                     &columns, r.input_zero_point);
                        *pixel++ = nn_requantize((int32_t)sum, channel, &r);
                    }
                }
            }
        }
    }
    nn_delay_end(&delay);
}
