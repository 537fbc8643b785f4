/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"
#include "nn_matmul.h"

/* Sums are unsigned: they wrap. */
static uint32_t dot(const int8_t *x, const int8_t *y, const struct nn_matmul *m,
                    const struct nn_matmul_int8 *p)
{
    uint32_t sum = 0;
    for (nn_dim k = 0; k < m->depth; k++, x += m->a.step, y += m->b.step) {
        sum += (uint32_t)((int32_t)(*x - p->a_zero_point) * (*y - p->b_zero_point));
    }
    return sum;
}

/* see nn_layers.h */
void nn_batch_matmul_int8(const int8_t *a, const int8_t *b, int8_t *output,
                          NN_FLASH int32_t *bias, NN_FLASH struct nn_matmul *matmul,
                          NN_FLASH struct nn_matmul_int8 *params)
{
    const struct nn_matmul m = *matmul;
    const struct nn_matmul_int8 p = *params;
    const nn_dim count = (nn_dim)(m.batches[0] * m.batches[1] * m.batches[2]);
    for (nn_dim batch = 0; batch < count; batch++) {
        const int8_t *row = a + nn_batch_at(&m, &m.a, batch);
        const int8_t *first = b + nn_batch_at(&m, &m.b, batch);
        for (nn_dim i = 0; i < m.rows; i++, row += m.a.row_step) {
            const int8_t *column = first;
            for (nn_dim j = 0; j < m.columns; j++, column += m.b.row_step) {
                uint32_t sum = dot(row, column, &m, &p);
                sum += bias ? (uint32_t)bias[j] : 0;
                /* unsigned: see nn_requantize */
                const uint32_t y = (uint32_t)nn_scale((int32_t)sum, p.multiplier, p.shift);
                *output++ = nn_clamp_int8((int32_t)(y + (uint32_t)p.output_zero_point), p.min,
                                          p.max);
            }
        }
    }
}
