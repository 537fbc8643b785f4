# SPDX-License-Identifier: Apache-2.0
"""What windows fill inputs with, for every type."""

from __future__ import annotations

import ctypes
import subprocess

import numpy as np
import numpy.typing as npt
import pytest

from tests.link.memory_device import FIRMWARE, WARNINGS

BYTES = 4003
GUARD = 0xA5
#: dtype of the tensor table -> what it is.
DTYPES = {
    0: np.float32, 1: np.int8, 2: np.uint8, 3: np.int16, 4: np.int32, 5: np.int64, 6: np.uint8
}  # fmt: skip

CONFIG = f"""\
#define QR_MODEL_ABI_GENERATED 2
#define QR_MODEL_INPUTS {len(DTYPES)}
#define QR_MODEL_OUTPUTS 1
#define QR_ARENA_BYTES {len(DTYPES) * 4096}
#define QR_MODEL_INFO_BYTES {2 + len(DTYPES) * 18}
"""

# rank 2, so that the table is walked by its ranks
TABLE = ", ".join(f"{dtype}, 2, " + ", ".join(["0"] * 16) for dtype in DTYPES)
PLACES = ", ".join(f"{{{at * 4096}, {BYTES}}}" for at in range(len(DTYPES)))
MODEL = f"""\
#include "model.h"
uint8_t qr_arena[QR_ARENA_BYTES] __attribute__((aligned(8)));
const struct qr_io qr_model_inputs[] = {{{PLACES}}};
const uint8_t qr_model_info[] = {{{len(DTYPES)}, 1, {TABLE}}};
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> dict[int, npt.NDArray[np.uint8]]:
    """Each input after one call, guard bytes behind it included."""
    folder = tmp_path_factory.mktemp("pattern")
    (folder / "model_config.h").write_text(CONFIG)
    (folder / "model.c").write_text(MODEL)
    includes = [f"-I{folder}", f"-I{FIRMWARE / 'include'}", f"-I{FIRMWARE / 'src'}"]
    sources = [str(folder / "model.c"), str(FIRMWARE / "src" / "pattern.c")]
    subprocess.run(
        ["gcc", *WARNINGS, "-O2", "-shared", "-fPIC", *includes, *sources, "-o", str(folder / "pattern.so")],
        check=True,
    )
    library = ctypes.CDLL(str(folder / "pattern.so"))
    arena = (ctypes.c_uint8 * (len(DTYPES) * 4096)).in_dll(library, "qr_arena")
    ctypes.memset(arena, GUARD, len(arena))
    library.qr_pattern_fill()
    first = bytes(arena)
    library.qr_pattern_fill()
    assert bytes(arena) == first
    return {
        dtype: np.frombuffer(first, np.uint8)[at * 4096 : (at + 1) * 4096] for at, dtype in enumerate(DTYPES)
    }


@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_behind_an_input_is_touched(filled: dict[int, npt.NDArray[np.uint8]], dtype: int) -> None:
    assert (filled[dtype][BYTES:] == GUARD).all()
    assert (filled[dtype][: BYTES // 4 * 4].reshape(-1, 4) != GUARD).any()


def test_floats_are_ordinary_numbers(filled: dict[int, npt.NDArray[np.uint8]]) -> None:
    values = filled[0][:4000].view(np.float32)
    magnitudes = np.abs(values)
    assert np.isfinite(values).all()
    assert (magnitudes >= 1 / 16).all()
    assert (magnitudes < 1).all()
    assert 0.4 < (values < 0).mean() < 0.6
    assert len(np.unique(values)) > 990


@pytest.mark.parametrize("dtype", [1, 2, 3])
def test_narrow_integers_take_all_values(filled: dict[int, npt.NDArray[np.uint8]], dtype: int) -> None:
    values = filled[dtype][:4000].view(DTYPES[dtype])
    limits = np.iinfo(values.dtype)
    spread = float(limits.max) - float(limits.min)
    assert values.min() < limits.min + 0.01 * spread
    assert values.max() > limits.max - 0.01 * spread
    assert len(np.unique(values)) > 250


@pytest.mark.parametrize("dtype", [4, 5, 6])
def test_indices_and_truth_stay_small(filled: dict[int, npt.NDArray[np.uint8]], dtype: int) -> None:
    assert set(filled[dtype][:4000].view(DTYPES[dtype])) == {0, 1}
