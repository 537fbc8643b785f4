/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_binary.h */
uint8_t nn_next_run(struct nn_pair_walk *at, NN_FLASH struct nn_axis_pair *axes, uint8_t rank)
{
    for (uint8_t i = 1; i < rank; i++) {
        /* read field by field: avr-gcc 5.4 takes a copy of the whole from RAM instead of flash */
        const nn_dim size = axes[i].size;
        const nn_dim a_stride = axes[i].a_stride, b_stride = axes[i].b_stride;
        if (++at->index[i] < size) {
            at->a = (nn_dim)(at->a + a_stride);
            at->b = (nn_dim)(at->b + b_stride);
            return 1;
        }
        at->index[i] = 0;
        at->a = (nn_dim)(at->a - (size - 1) * a_stride);
        at->b = (nn_dim)(at->b - (size - 1) * b_stride);
    }
    return 0;
}
