/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_gather.h"

/* see nn_move.h */
void nn_gather_flash(NN_FLASH void *table, const int32_t *indices, void *output,
                     NN_FLASH struct nn_gather *shape)
{
    const struct nn_gather s = *shape;
    NN_FLASH uint8_t *from = table;
    uint8_t *to = output;
    for (nn_dim batch = 0; batch < s.batches; batch++) {
        for (nn_dim outer = 0; outer < s.outer; outer++) {
            for (nn_dim pick = 0; pick < s.picks; pick++) {
                NN_FLASH uint8_t *entry = from + nn_gather_index(indices[pick], s.axis) * s.bytes;
                for (nn_dim i = 0; i < s.bytes; i++) {
                    *to++ = entry[i];
                }
            }
            from += s.axis * s.bytes;
        }
        indices += s.picks;
    }
}
