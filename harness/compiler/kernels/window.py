# SPDX-License-Identifier: Apache-2.0
"""The geometry of a window that slides over an image: convolutions and pools."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

from harness.compiler.kernel_call import Constant, structure
from harness.compiler.kernels.common import check_dims, options, tensor_out, unsupported
from harness.compiler.site import Site
from harness.graph import Padding, Tensor, WindowParams


@dataclass(frozen=True, slots=True)
class Window:
    """The fields of struct nn_window, in its order; what follows from them comes after."""

    batches: int
    in_height: int
    in_width: int
    in_channels: int
    out_height: int
    out_width: int
    out_channels: int
    filter_height: int
    filter_width: int
    filter_channels: int
    stride_height: int
    stride_width: int
    dilation_height: int
    dilation_width: int
    pad_top: int
    pad_left: int
    held_pixels: int = 0

    def upright_as_flat(self) -> Window:
        """A window over a single column seen as one over a single row.

        With width 1 everywhere the memory is the same, and a whole row of taps is one run for the kernel.
        """
        if not (self.in_width == self.filter_width == self.out_width == 1 and self.pad_left == 0):
            return self
        return replace(
            self,
            in_height=1, in_width=self.in_height, out_height=1, out_width=self.out_height,
            filter_height=1, filter_width=self.filter_height,
            stride_height=1, stride_width=self.stride_height,
            dilation_height=1, dilation_width=self.dilation_height,
            pad_top=0, pad_left=self.pad_top,
        )  # fmt: skip

    @property
    def reach(self) -> int:
        """Columns from the first tap of the first window to the last tap of the last one, and more."""
        return self.out_width * self.stride_width + self.filter_width * self.dilation_width

    def allows_in_place(self, *, channelwise: bool) -> bool:
        """Whether outputs, written in order, never overwrite what a later one reads.

        `channelwise`: output channel c reads input channel c // (out_channels // in_channels) only, and
        not all of them.
        """
        # The last channel of a pixel is the tightest: everything before it has been written.
        tightest = self.in_channels - 1 if channelwise else 0
        return self._stays_within() and self._lead() + tightest >= self.out_channels - 1

    def waiting(self) -> Window | None:
        """The window with the smallest ring that makes in place right; None where nothing does.

        Output pixels wait in the ring until nothing reads what lies in their place.
        """
        if not self._stays_within():
            return None
        return replace(self, held_pixels=max(1, 1 - self._lead() // self.out_channels))

    def _lead(self) -> int:
        """The smallest lead of the elements that a pixel reads over those that earlier pixels have made."""
        read, written = self.in_channels, self.out_channels
        down = _least(
            self.out_height, self.stride_height, self.pad_top, self.in_width * read, self.out_width * written
        )
        return down + _least(self.out_width, self.stride_width, self.pad_left, read, written)

    def _stays_within(self) -> bool:
        """An image is not larger than what it is made of, and so no output overtakes the next image."""
        made = self.out_height * self.out_width * self.out_channels
        return made <= self.in_height * self.in_width * self.in_channels or self.batches == 1

    def constant(self) -> Constant:
        """struct nn_window."""
        group_filters = self.out_channels * self.filter_channels // self.in_channels
        joined = int(self.dilation_width == 1 and self.filter_channels == self.in_channels)
        fields = (*astuple(self), group_filters, joined)
        return structure("window", "struct nn_window", [str(value) for value in fields])


def _least(size: int, stride: int, pad: int, read: int, written: int) -> int:
    """Along one axis, the smallest lead of what is read first over what was written before.

    For output i that is max(0, i * stride - pad) * read - i * written: two lines that meet near pad / stride.
    """
    corners = {0, pad // stride, pad // stride + 1, size - 1}
    return min(max(0, i * stride - pad) * read - i * written for i in corners if 0 <= i < size)


def sliding_window(
    site: Site, x: Tensor, *, filter_size: tuple[int, int], filter_channels: int = 1
) -> Window:
    """The window of a convolution or pool over `x`, which makes output 0."""
    params = options(site, WindowParams)
    y = tensor_out(site)
    height, width = images(site, x, y)
    filter_height, filter_width = filter_size
    strides = (params.stride_height, params.stride_width, params.dilation_height, params.dilation_width)
    if min(*strides, filter_height, filter_width) < 1:
        raise unsupported(site, "has a stride, dilation or filter size below 1")
    top, rows = _axis(height, filter_height, params.stride_height, params.dilation_height, params.padding)
    left, columns = _axis(width, filter_width, params.stride_width, params.dilation_width, params.padding)
    if (rows, columns) != y.shape[1:3]:
        raise unsupported(
            site,
            f"should make {rows}x{columns} by its geometry, but its output is {y.shape[1]}x{y.shape[2]}",
        )
    window = Window(
        x.shape[0], height, width, x.shape[3], rows, columns, y.shape[3], filter_height, filter_width,
        filter_channels, *strides, top, left,
    )  # fmt: skip
    reaches = (
        rows * params.stride_height + (filter_height - 1) * params.dilation_height + 1,
        columns * params.stride_width + (filter_width - 1) * params.dilation_width + 1,
    )
    taps = filter_height * filter_width * filter_channels
    check_dims(site, (*astuple(window), *reaches, taps, taps * y.shape[3], x.elements, y.elements))
    return window.upright_as_flat()


def images(site: Site, x: Tensor, y: Tensor) -> tuple[int, int]:
    """(height, width) of the images of `x`; both have rank 4 and as many images."""
    if not len(x.shape) == len(y.shape) == 4 or x.shape[0] != y.shape[0]:
        raise unsupported(
            site, f"works on shape {list(x.shape)} -> {list(y.shape)}",
            fix="Batches of images (batch, height, width, channels) are supported.",
        )  # fmt: skip
    return x.shape[1], x.shape[2]


def _axis(size: int, filter_size: int, stride: int, dilation: int, padding: Padding) -> tuple[int, int]:
    """(padding before, output size) along one axis, as TFLite computes them."""
    reach = (filter_size - 1) * dilation + 1
    if padding is Padding.VALID:
        return 0, max(0, (size - reach + stride) // stride)
    out = -(-size // stride)
    return max(0, (out - 1) * stride + reach - size) // 2, out
