/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn.h"

static void copy_runs(uint8_t *to, const uint8_t *from, nn_dim run, const struct nn_loop *loop)
{
    nn_dim from_at = 0, to_at = 0;
    for (nn_dim i = 0; i < loop->count; i++) {
        /* a call costs more than the few bytes of one element */
        if (run == 1) {
            to[to_at] = from[from_at];
        } else if (run == 4) {
            memmove(to + to_at, from + from_at, 4);
        } else {
            memmove(to + to_at, from + from_at, (size_t)run);
        }
        from_at = (nn_dim)(from_at + loop->from_step);
        to_at = (nn_dim)(to_at + loop->to_step);
    }
}

/* see nn_move.h */
void nn_copy(const void *from, void *to, NN_FLASH struct nn_copy *copy,
             NN_FLASH struct nn_loop *loops)
{
    const struct nn_loop inner = loops[0];
    const nn_dim run = copy->run, depth = copy->depth;
    nn_dim from_at = copy->from_start, to_at = copy->to_start;
    nn_dim turns[NN_COPY_LOOPS] = {0};
    nn_dim level;
    do {
        copy_runs((uint8_t *)to + to_at, (const uint8_t *)from + from_at, run, &inner);
        for (level = 1; level < depth; level++) {
            from_at = (nn_dim)(from_at + loops[level].from_step);
            to_at = (nn_dim)(to_at + loops[level].to_step);
            if (++turns[level] < loops[level].count) {
                break;
            }
            turns[level] = 0;
        }
    } while (level < depth);
}
