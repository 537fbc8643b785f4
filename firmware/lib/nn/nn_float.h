/* SPDX-License-Identifier: Apache-2.0
 *
 * What the float32 kernels share.
 */
#ifndef NN_FLOAT_H
#define NN_FLOAT_H

#include "nn.h"

static inline float nn_clamp(float x, const struct nn_range_float32 *range)
{
    return x < range->min ? range->min : x > range->max ? range->max : x;
}

#endif
