/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn.h"

/* see nn_move.h */
void nn_resize_nearest(const void *input, void *output, NN_FLASH nn_dim *rows,
                       NN_FLASH nn_dim *columns, NN_FLASH struct nn_resize *shape)
{
    const struct nn_resize s = *shape;
    const uint8_t *image = input;
    uint8_t *to = output;
    for (nn_dim batch = 0; batch < s.batches; batch++) {
        for (nn_dim y = 0; y < s.out_height; y++) {
            const uint8_t *row = image + rows[y];
            for (nn_dim x = 0; x < s.out_width; x++) {
                memcpy(to, row + columns[x], (size_t)s.depth);
                to += s.depth;
            }
        }
        image += s.image;
    }
}
