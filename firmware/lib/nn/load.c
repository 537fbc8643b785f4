/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn.h */
void nn_load(uint8_t *to, NN_FLASH uint8_t *from, nn_dim bytes)
{
    while (bytes-- > 0) {
        *to++ = *from++;
    }
}
