/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "nn_float.h"
#include "nn_window.h"

static float largest(const float *input, const struct nn_window *w, const struct nn_span *rows,
                     const struct nn_span *columns)
{
    float result = -FLT_MAX;
    for (nn_dim ky = rows->first; ky < rows->end; ky++) {
        const int32_t row = (int32_t)(rows->origin + ky) * w->in_width;
        for (nn_dim kx = columns->first; kx < columns->end; kx++) {
            const float value = input[(row + columns->origin + kx) * w->in_channels];
            result = value > result ? value : result;
        }
    }
    return result;
}

/* see nn_layers.h */
void nn_max_pool_2d_float32(const float *input, float *output,
                            NN_FLASH struct nn_window *window,
                            NN_FLASH struct nn_range_float32 *range)
{
    const struct nn_window w = *window;
    const struct nn_range_float32 r = *range;
    for (nn_dim n = 0; n < w.batches; n++, input += nn_image(&w)) {
        for (nn_dim y = 0; y < w.out_height; y++) {
            const struct nn_span rows = nn_rows_at(&w, y);
            for (nn_dim x = 0; x < w.out_width; x++) {
                const struct nn_span columns = nn_columns_at(&w, x);
                for (nn_dim c = 0; c < w.in_channels; c++) {
                    const float value = largest(input + c, &w, &rows, &columns);
                    *output++ = nn_clamp(value, &r);
                }
            }
        }
    }
}
