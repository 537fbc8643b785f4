/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a batch of an operand starts, for the kernels of BATCH_MATMUL.
 */
#ifndef NN_MATMUL_H
#define NN_MATMUL_H

#include "nn.h"

static inline nn_dim nn_batch_at(const struct nn_matmul *m, const struct nn_matmul_operand *operand,
                                 nn_dim batch)
{
    const nn_dim last = (nn_dim)(batch % m->batches[2]);
    const nn_dim before = (nn_dim)(batch / m->batches[2]);
    return (nn_dim)(before / m->batches[1] * operand->batch_steps[0] +
                    before % m->batches[1] * operand->batch_steps[1] +
                    last * operand->batch_steps[2]);
}

#endif
