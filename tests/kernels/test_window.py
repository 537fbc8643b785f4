# SPDX-License-Identifier: Apache-2.0
"""Where a window may write over its own input: the formula against the kernel's loops, element by element."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.compiler.kernels.window import Window

from .models import few

sizes = st.integers(1, 6)


@st.composite
def drawn_windows(draw: st.DrawFn) -> Window:
    """Any numbers that a kernel could run with: reads outside of the input are padding."""
    in_channels = draw(st.integers(1, 3))
    return Window(
        batches=draw(st.integers(1, 2)),
        in_height=draw(sizes), in_width=draw(sizes), in_channels=in_channels,
        out_height=draw(sizes), out_width=draw(sizes), out_channels=in_channels * draw(st.integers(1, 2)),
        filter_height=draw(st.integers(1, 3)), filter_width=draw(st.integers(1, 3)), filter_channels=1,
        stride_height=draw(st.integers(1, 3)), stride_width=draw(st.integers(1, 3)),
        dilation_height=draw(st.integers(1, 2)), dilation_width=draw(st.integers(1, 2)),
        pad_top=draw(st.integers(0, 2)), pad_left=draw(st.integers(0, 2)),
    )  # fmt: skip


def reads(w: Window, batch: int, y: int, x: int) -> list[int]:
    """The input pixels of one output pixel."""
    pixels = []
    for ky, kx in itertools.product(range(w.filter_height), range(w.filter_width)):
        row = y * w.stride_height - w.pad_top + ky * w.dilation_height
        column = x * w.stride_width - w.pad_left + kx * w.dilation_width
        if 0 <= row < w.in_height and 0 <= column < w.in_width:
            pixels.append((batch * w.in_height + row) * w.in_width + column)
    return pixels


def survives(w: Window, *, channelwise: bool = False) -> bool:
    """Run in place, nothing that is read has been written before."""
    places = itertools.product(range(w.batches), range(w.out_height), range(w.out_width))
    for pixel, (batch, y, x) in enumerate(places):
        pixels = reads(w, batch, y, x)
        for c in range(w.out_channels):
            first = c // (w.out_channels // w.in_channels) if channelwise else 0
            written = pixel * w.out_channels + c
            if w.held_pixels:
                written = max(0, pixel - w.held_pixels + 1) * w.out_channels
            if any(at * w.in_channels + first < written for at in pixels):
                return False
    return True


@given(w=drawn_windows(), channelwise=st.booleans())
@few(600)
def test_in_place_is_allowed_only_where_it_survives(w: Window, channelwise: bool) -> None:
    assert survives(w, channelwise=channelwise) or not w.allows_in_place(channelwise=channelwise)


@given(w=drawn_windows())
@few(600)
def test_a_ring_makes_it_right(w: Window) -> None:
    waiting = w.waiting()
    assert waiting is None or survives(waiting)


def test_the_ring_of_a_padded_window_holds_a_row_and_two_pixels() -> None:
    """Of a 3x3 window: the row above, the pixel to the left, and the one being made. One less is wrong."""
    window = Window(1, 5, 4, 2, 5, 4, 2, 3, 3, 1, 1, 1, 1, 1, 1, 1)
    waiting = window.waiting()
    assert waiting is not None
    assert waiting.held_pixels == 4 + 2
    assert not survives(replace(waiting, held_pixels=5))


@given(
    batches=st.integers(1, 2), height=sizes, width=sizes, channels=st.integers(1, 3),
    filter_height=st.integers(1, 6), filter_width=st.integers(1, 6), stride=st.integers(1, 3),
)  # fmt: skip
@few(200)
def test_it_is_always_allowed_for_a_channelwise_window_without_padding(
    *,
    batches: int,
    height: int,
    width: int,
    channels: int,
    filter_height: int,
    filter_width: int,
    stride: int,
) -> None:
    rows = (height - filter_height) // stride + 1
    columns = (width - filter_width) // stride + 1
    if rows < 1 or columns < 1:
        return
    window = Window(
        batches=batches, in_height=height, in_width=width, in_channels=channels,
        out_height=rows, out_width=columns, out_channels=channels,
        filter_height=filter_height, filter_width=filter_width, filter_channels=1,
        stride_height=stride, stride_width=stride, dilation_height=1, dilation_width=1, pad_top=0, pad_left=0,
    )  # fmt: skip
    assert window.allows_in_place(channelwise=True)
