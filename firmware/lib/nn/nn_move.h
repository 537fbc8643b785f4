/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels that move values without looking at them. They count bytes, so one serves every type.
 */
#ifndef NN_MOVE_H
#define NN_MOVE_H

#include "nn.h"

/* One of the nested loops of a copy. When the loops inside are through, the offsets go on by these
 * steps: what all but the innermost of those have moved them by is taken off. */
struct nn_loop {
    nn_dim count;
    nn_dim from_step, to_step;
};

/* Runs of `run` bytes, first from `from_start` to `to_start`. */
struct nn_copy {
    nn_dim from_start, to_start, run;
    nn_dim depth; /* loops, 1 to NN_COPY_LOOPS */
};
#define NN_COPY_LOOPS 8

/* A copy between two tensors under nested loops[depth], the innermost first (CONCATENATION, SLICE,
 * TRANSPOSE and their like). In place where every byte is taken from where it goes to or behind. */
void nn_copy(const void *from, void *to, NN_FLASH struct nn_copy *copy,
             NN_FLASH struct nn_loop *loops);

/* `bytes` bytes that repeat item[item_bytes]. */
void nn_fill(void *to, nn_dim bytes, NN_FLASH uint8_t *item, nn_dim item_bytes);

/* GATHER: from table[batches][outer][axis][bytes] what indices[batches][picks] name along `axis`, to
 * output[batches][outer][picks][bytes]. An index outside of the axis counts as the nearest inside. */
struct nn_gather {
    nn_dim batches, outer, axis, picks, bytes;
};
void nn_gather(const void *table, const int32_t *indices, void *output,
               NN_FLASH struct nn_gather *shape);
/* The same from a constant where flash lies apart. */
void nn_gather_flash(NN_FLASH void *table, const int32_t *indices, void *output,
                     NN_FLASH struct nn_gather *shape);

/* Sizes of RESIZE_*; a pixel has `depth` bytes (nearest) or elements (bilinear), and so counts
 * `image`, the distance from one input image to the next. */
struct nn_resize {
    nn_dim batches, out_height, out_width, depth, image;
};

/* RESIZE_NEAREST_NEIGHBOR: pixel (y, x) is at rows[y] + columns[x] of its image, in bytes. */
void nn_resize_nearest(const void *input, void *output, NN_FLASH nn_dim *rows,
                       NN_FLASH nn_dim *columns, NN_FLASH struct nn_resize *shape);

/* RESIZE_BILINEAR: along each axis a value lies between two neighbours, at offsets `low` and `high`
 * in elements; `weight` is that of `high`, in Q10 for integers. Sums are rounded half away from 0. */
struct nn_blend {
    nn_dim low, high;
    int16_t weight;
};
struct nn_blend_float32 {
    nn_dim low, high;
    float weight;
};
void nn_resize_bilinear_int8(const int8_t *input, int8_t *output, NN_FLASH struct nn_blend *rows,
                             NN_FLASH struct nn_blend *columns, NN_FLASH struct nn_resize *shape);
void nn_resize_bilinear_int16(const int16_t *input, int16_t *output,
                              NN_FLASH struct nn_blend *rows, NN_FLASH struct nn_blend *columns,
                              NN_FLASH struct nn_resize *shape);
void nn_resize_bilinear_float32(const float *input, float *output,
                                NN_FLASH struct nn_blend_float32 *rows,
                                NN_FLASH struct nn_blend_float32 *columns,
                                NN_FLASH struct nn_resize *shape);

#endif
