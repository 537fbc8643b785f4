/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"
#include "nn_matmul.h"

static int64_t dot(const int16_t *x, const int16_t *y, const struct nn_matmul *m)
{
    int64_t sum = 0;
    for (nn_dim k = 0; k < m->depth; k++, x += m->a.step, y += m->b.step) {
        sum += (int32_t)*x * *y;
    }
    return sum;
}

/* see nn_layers.h */
void nn_batch_matmul_int16(const int16_t *a, const int16_t *b, int16_t *output,
                           NN_FLASH struct nn_matmul *matmul, int16_t multiplier, int8_t shift)
{
    const struct nn_matmul m = *matmul;
    const nn_dim count = (nn_dim)(m.batches[0] * m.batches[1] * m.batches[2]);
    for (nn_dim batch = 0; batch < count; batch++) {
        const int16_t *row = a + nn_batch_at(&m, &m.a, batch);
        const int16_t *first = b + nn_batch_at(&m, &m.b, batch);
        for (nn_dim i = 0; i < m.rows; i++, row += m.a.row_step) {
            const int16_t *column = first;
            for (nn_dim j = 0; j < m.columns; j++, column += m.b.row_step) {
                const int64_t sum = dot(row, column, &m);
                *output++ = nn_clamp_int16(nn_scale_int64(sum, multiplier, shift), INT16_MIN,
                                           INT16_MAX);
            }
        }
    }
}
