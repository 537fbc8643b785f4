/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_convert.h */
void nn_cast_bool(const uint8_t *input, uint8_t *output, nn_dim count, uint8_t bytes, uint8_t top_mask)
{
    for (nn_dim i = 0; i < count; i++, input += bytes) {
        uint8_t any = input[bytes - 1] & top_mask;
        for (uint8_t b = 0; b + 1 < bytes; b++) {
            any |= input[b];
        }
        output[i] = any ? 1 : 0;
    }
}
