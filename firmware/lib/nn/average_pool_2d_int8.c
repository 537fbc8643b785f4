/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"
#include "nn_window.h"

static int32_t total(const int8_t *input, const struct nn_window *w, const struct nn_span *rows,
                     const struct nn_span *columns)
{
    int32_t result = 0;
    for (nn_dim ky = rows->first; ky < rows->end; ky++) {
        const int32_t row = (int32_t)(rows->origin + ky) * w->in_width;
        for (nn_dim kx = columns->first; kx < columns->end; kx++) {
            const int8_t value = input[(row + columns->origin + kx) * w->in_channels];
            result += value;
        }
    }
    return result;
}

/* see nn_layers.h */
void nn_average_pool_2d_int8(const int8_t *input, int8_t *output,
                             NN_FLASH struct nn_window *window,
                             NN_FLASH struct nn_range_int8 *range)
{
    const struct nn_window w = *window;
    const struct nn_range_int8 r = *range;
    for (nn_dim n = 0; n < w.batches; n++, input += nn_image(&w)) {
        for (nn_dim y = 0; y < w.out_height; y++) {
            const struct nn_span rows = nn_rows_at(&w, y);
            for (nn_dim x = 0; x < w.out_width; x++) {
                const struct nn_span columns = nn_columns_at(&w, x);
                const int32_t taps =
                    (int32_t)(rows.end - rows.first) * (columns.end - columns.first);
                for (nn_dim c = 0; c < w.in_channels; c++) {
                    const int32_t sum = total(input + c, &w, &rows, &columns);
                    /* half away from zero: C division truncates */
                    const int32_t mean = (sum > 0 ? sum + taps / 2 : sum - taps / 2) / taps;
                    *output++ = nn_clamp_int8(mean, r.min, r.max);
                }
            }
        }
    }
}
