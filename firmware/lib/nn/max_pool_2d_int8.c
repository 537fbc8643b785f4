/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"
#include "nn_window.h"

/* see nn.h */
void nn_max_pool_2d_int8(const int8_t *input, int8_t *output, NN_FLASH struct nn_window *window,
                         NN_FLASH struct nn_range_int8 *range)
{
    const struct nn_window w = *window;
    const struct nn_range_int8 r = *range;
    for (nn_dim y = 0; y < w.out_height; y++) {
        const struct nn_span rows = nn_rows_at(&w, y);
        for (nn_dim x = 0; x < w.out_width; x++) {
            const struct nn_span columns = nn_columns_at(&w, x);
            for (nn_dim c = 0; c < w.in_channels; c++) {
                int8_t largest = INT8_MIN;
                for (nn_dim ky = rows.first; ky < rows.end; ky++) {
                    const int32_t row = (int32_t)(rows.origin + ky) * w.in_width;
                    for (nn_dim kx = columns.first; kx < columns.end; kx++) {
                        const int8_t value =
                            input[(row + columns.origin + kx) * w.in_channels + c];
                        largest = value > largest ? value : largest;
                    }
                }
                *output++ = nn_clamp_int8(largest, r.min, r.max);
            }
        }
    }
}
