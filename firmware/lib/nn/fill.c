/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn.h"

/* see nn_move.h */
void nn_fill(void *to, nn_dim bytes, NN_FLASH uint8_t *item, nn_dim item_bytes)
{
    uint8_t *out = to;
    if (item_bytes == 1) {
        memset(out, item[0], (size_t)bytes);
        return;
    }
    for (nn_dim i = 0; i < bytes; i++) {
        out[i] = i < item_bytes ? item[i] : out[i - item_bytes];
    }
}
