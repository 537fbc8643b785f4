/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn_gather.h"

/* see nn_move.h */
void nn_gather(const void *table, const int32_t *indices, void *output,
               NN_FLASH struct nn_gather *shape)
{
    const struct nn_gather s = *shape;
    const uint8_t *from = table;
    uint8_t *to = output;
    for (nn_dim batch = 0; batch < s.batches; batch++) {
        for (nn_dim outer = 0; outer < s.outer; outer++) {
            for (nn_dim pick = 0; pick < s.picks; pick++) {
                const nn_dim index = nn_gather_index(indices[pick], s.axis);
                memcpy(to, from + (int32_t)index * s.bytes, (size_t)s.bytes);
                to += s.bytes;
            }
            from += (int32_t)s.axis * s.bytes;
        }
        indices += s.picks;
    }
}
