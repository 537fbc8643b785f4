/* SPDX-License-Identifier: Apache-2.0
 *
 * What the forms of GATHER share.
 */
#ifndef NN_GATHER_H
#define NN_GATHER_H

#include "nn.h"

/* A bad index must not read outside of the table. */
static inline nn_dim nn_gather_index(int32_t index, nn_dim axis)
{
    return index < 0 ? 0 : index >= axis ? (nn_dim)(axis - 1) : (nn_dim)index;
}

#endif
