/* SPDX-License-Identifier: Apache-2.0
 *
 * Along one axis: which taps of a window lie inside the input (convolutions, pools), and which
 * inputs a transposed convolution spreads onto an output.
 */
#ifndef NN_WINDOW_H
#define NN_WINDOW_H

#include "nn.h"

struct nn_span {
    nn_dim first, end; /* taps first..end-1 are inside; empty when first >= end */
    nn_dim origin;     /* input position of tap 0, maybe outside */
};

static inline struct nn_span nn_span_at(nn_dim out, nn_dim stride, nn_dim pad, nn_dim filter,
                                        nn_dim dilation, nn_dim in_size)
{
    struct nn_span span;
    span.origin = (nn_dim)(out * stride - pad);
    span.first = 0;
    while (span.first < filter && span.origin + span.first * dilation < 0) {
        span.first++;
    }
    span.end = filter;
    while (span.end > span.first && span.origin + (span.end - 1) * dilation >= in_size) {
        span.end--;
    }
    return span;
}

static inline struct nn_span nn_rows_at(const struct nn_window *w, nn_dim out_y)
{
    return nn_span_at(out_y, w->stride_height, w->pad_top, w->filter_height, w->dilation_height,
                      w->in_height);
}

static inline struct nn_span nn_columns_at(const struct nn_window *w, nn_dim out_x)
{
    return nn_span_at(out_x, w->stride_width, w->pad_left, w->filter_width, w->dilation_width,
                      w->in_width);
}

/* Elements of one image of the input. */
static inline int32_t nn_image(const struct nn_window *w)
{
    return (int32_t)w->in_height * w->in_width * w->in_channels;
}

/* first..end-1: the inputs of a transposed convolution that reach output `out`, input i by its tap
 * origin - i * stride. */
static inline struct nn_span nn_span_onto(nn_dim out, nn_dim stride, nn_dim pad, nn_dim filter,
                                          nn_dim in_size)
{
    struct nn_span span;
    /* the last tap reaches furthest back */
    const nn_dim beyond = (nn_dim)(out + pad - filter + 1);
    span.origin = (nn_dim)(out + pad);
    span.first = (nn_dim)(beyond > 0 ? (beyond + stride - 1) / stride : 0);
    span.end = (nn_dim)(span.origin / stride + 1);
    if (span.end > in_size) {
        span.end = in_size;
    }
    return span;
}

static inline struct nn_span nn_rows_onto(const struct nn_window *w, nn_dim out_y)
{
    return nn_span_onto(out_y, w->stride_height, w->pad_top, w->filter_height, w->in_height);
}

static inline struct nn_span nn_columns_onto(const struct nn_window *w, nn_dim out_x)
{
    return nn_span_onto(out_x, w->stride_width, w->pad_left, w->filter_width, w->in_width);
}

/* Where the pixels of a convolution go, one after the other: to the output, or first to a ring that
 * holds each until no window reads anymore what lies in its place. */
struct nn_delay {
    uint8_t *output, *ring;
    nn_dim pixel_bytes, pixels, held, at;
};

static inline struct nn_delay nn_delay_start(const struct nn_window *w, void *output, void *ring,
                                             uint8_t itemsize)
{
    const nn_dim pixel_bytes = (nn_dim)(w->out_channels * itemsize);
    const struct nn_delay delay = {output, ring, pixel_bytes, w->held_pixels, 0, 0};
    return delay;
}

/* Room for the channels of the next pixel; the oldest one leaves a full ring for it. */
static inline void *nn_delay_next(struct nn_delay *delay)
{
    uint8_t *room = delay->output;
    if (delay->pixels == 0) {
        delay->output += delay->pixel_bytes;
        return room;
    }
    room = delay->ring + (int32_t)delay->at * delay->pixel_bytes;
    if (delay->held < delay->pixels) {
        delay->held++;
    } else {
        for (nn_dim i = 0; i < delay->pixel_bytes; i++) {
            *delay->output++ = room[i];
        }
    }
    delay->at = (nn_dim)(delay->at + 1 == delay->pixels ? 0 : delay->at + 1);
    return room;
}

/* Writes what the ring still holds; it is full, as it is smaller than the output. */
static inline void nn_delay_end(struct nn_delay *delay)
{
    for (nn_dim i = 0; i < delay->pixels; i++) {
        nn_delay_next(delay);
    }
}

#endif
