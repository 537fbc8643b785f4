/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "nn.h"

static uint8_t *fill(uint8_t *output, uint8_t value, int32_t bytes)
{
    memset(output, value, (size_t)bytes);
    return output + bytes;
}

/* see nn.h */
void nn_pad(const uint8_t *input, uint8_t *output, NN_FLASH struct nn_pad *pad)
{
    const struct nn_pad p = *pad;
    const nn_dim depth = (nn_dim)(p.front + p.depth + p.back);
    const int32_t row = (int32_t)(p.left + p.width + p.right) * depth;
    output = fill(output, p.fill, p.top * row);
    for (nn_dim y = 0; y < p.height; y++) {
        output = fill(output, p.fill, (int32_t)p.left * depth);
        for (nn_dim x = 0; x < p.width; x++) {
            output = fill(output, p.fill, p.front);
            memcpy(output, input, (size_t)p.depth);
            input += p.depth;
            output = fill(output + p.depth, p.fill, p.back);
        }
        output = fill(output, p.fill, (int32_t)p.right * depth);
    }
    fill(output, p.fill, p.bottom * row);
}
