/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_float.h"
#include "nn_matmul.h"

static float dot(const float *x, const float *y, const struct nn_matmul *m)
{
    float sum = 0.0f;
    for (nn_dim k = 0; k < m->depth; k++, x += m->a.step, y += m->b.step) {
        sum += *x * *y;
    }
    return sum;
}

/* see nn_layers.h */
void nn_batch_matmul_float32(const float *a, const float *b, float *output, NN_FLASH float *bias,
                             NN_FLASH struct nn_matmul *matmul,
                             NN_FLASH struct nn_range_float32 *range)
{
    const struct nn_matmul m = *matmul;
    const struct nn_range_float32 r = *range;
    const nn_dim count = (nn_dim)(m.batches[0] * m.batches[1] * m.batches[2]);
    for (nn_dim batch = 0; batch < count; batch++) {
        const float *row = a + nn_batch_at(&m, &m.a, batch);
        const float *first = b + nn_batch_at(&m, &m.b, batch);
        for (nn_dim i = 0; i < m.rows; i++, row += m.a.row_step) {
            const float *column = first;
            for (nn_dim j = 0; j < m.columns; j++, column += m.b.row_step) {
                const float sum = dot(row, column, &m);
                *output++ = nn_clamp(bias ? sum + bias[j] : sum, &r);
            }
        }
    }
}
