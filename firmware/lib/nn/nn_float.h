/* SPDX-License-Identifier: Apache-2.0
 *
 * What the float32 kernels share.
 */
#ifndef NN_FLOAT_H
#define NN_FLOAT_H

#include <math.h>

#include "nn.h"

static inline float nn_clamp(float x, const struct nn_range_float32 *range)
{
    return x < range->min ? range->min : x > range->max ? range->max : x;
}

/* Where exp(-x) is nothing beside 1, and where 1 is nothing beside exp(-x), as the reference does. */
static inline float nn_logistic(float x)
{
    return x > 16.619047f ? 1.0f : x < -9.0f ? expf(x) : 1.0f / (1.0f + expf(-x));
}

/* Sum of x[i] * w[i]. */
static inline float nn_dot_float32(const float *x, NN_FLASH float *w, nn_dim n)
{
    float sum = 0.0f;
    for (nn_dim i = 0; i < n; i++) {
        sum += x[i] * w[i];
    }
    return sum;
}

#endif
