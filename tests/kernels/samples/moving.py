# SPDX-License-Identifier: Apache-2.0
"""Operations that move values, and RESIZE_*."""

from __future__ import annotations

import numpy as np

from tests.kernels.models_move import (
    batch_to_space,
    broadcast_to,
    concatenation,
    depth_to_space,
    gather,
    gather_by_choice,
    mirror_pad,
    pack,
    pad,
    resize,
    reverse,
    slice_,
    space_to_batch,
    space_to_depth,
    split,
    split_v,
    strided_slice,
    tile,
    transpose,
    unpack,
)
from tests.kernels.one_op import Sample

BORDERS = [(1, 0), (0, 2), (2, 1)]

SAMPLES: dict[str, Sample] = {
    "concatenation": concatenation.on("int8", [(2, 3), (2, 1)], 1, constant=np.arange(4).reshape(2, 2)),
    "concatenation-float32": concatenation.on("float32", [(2, 3), (2, 1)], 1, constant=np.ones((2, 2))),
    "split": split.on("int16", (2, 6), 3, 1),
    "slice": slice_.on("int8", (3, 4, 5), (1, 0, 2), (2, -1, 2)),
    "strided_slice": strided_slice.on("int8", (3, 5, 4), [(2, 0, -1), (4, -6, -2), (0, 4, 1)], (2, 3, 4)),
    "unpack": unpack.on("int8", (2, 3, 2), 1),
    "transpose": transpose.on("int8", (2, 3, 4, 2), (3, 1, 0, 2)),
    "gather": gather.on("int8", (2, 5, 3), [4, 0, 4], 1),
    "gather of a table": gather_by_choice.on("float32", np.arange(6).reshape(3, 2) / 7, 4),
    "split_v": split_v.on("int8", (2, 6), [1, 3, 2], 1, rest=1),
    "pack": pack.on("int8", (2, 3), 2, 1),
    "broadcast_to": broadcast_to.on("int8", (2, 1), (3, 2, 4)),
    "tile": tile.on("float32", (2, 3), (2, 2)),
    "reverse": reverse.on("int8", (2, 3, 2), [1]),
    "space_to_batch": space_to_batch.on("int8", (2, 4, 6, 1), (2, 3), ((0, 0), (0, 0))),
    "batch_to_space": batch_to_space.on("int8", (12, 2, 2, 1), (2, 3), ((1, 0), (0, 1))),
    "depth_to_space": depth_to_space.on("int8", (1, 2, 3, 8), 2),
    "space_to_depth": space_to_depth.on("int8", (1, 4, 6, 2), 2),
    "pad all around": pad.on("int8", (2, 1, 3), BORDERS),
    "padv2-float32": pad.on("float32", (2, 1, 3), BORDERS, fill=-1.5),
    "padv2 by an input": pad.on("int16", (2, 1, 3), BORDERS, fill_is_input=True),
    "mirror_pad": mirror_pad.on("int8", (2, 3, 4), BORDERS, mode="REFLECT"),
    "resize_nearest by a factor": resize.on("NEAREST_NEIGHBOR", "int8", (1, 2, 3, 2), (4, 9)),
    "resize_nearest": resize.on("NEAREST_NEIGHBOR", "float32", (2, 2, 3, 2), (3, 7)),
    **{
        f"resize_bilinear-{dtype}": resize.on("BILINEAR", dtype, (2, 3, 2, 2), (4, 5), centers=True)
        for dtype in ("int8", "int16", "float32")
    },
}

#: A firmware has outputs of one type, and the oracle of a model takes all of its operations. int32, int64
#: and bool pass through the same kernels: the host's tests have them.
NETS: dict[str, tuple[str, ...]] = {
    "moves": (
        "concatenation", "split_v", "slice", "strided_slice", "pack", "unpack", "transpose", "gather",
        "pad all around", "mirror_pad", "broadcast_to", "reverse", "resize_nearest by a factor",
        "resize_bilinear-int8", "space_to_batch", "batch_to_space", "depth_to_space", "space_to_depth",
    ),
    "moves-float32": ("padv2-float32", "gather of a table", "resize_nearest", "resize_bilinear-float32"),
    "moves-int16": ("split", "padv2 by an input", "resize_bilinear-int16"),
    "tile": ("tile",),
}  # fmt: skip
