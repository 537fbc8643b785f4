# SPDX-License-Identifier: Apache-2.0
"""Files as users bring them: whatever is wrong with one, the error names it and what is wrong."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from harness.errors import ModelError
from harness.workloads.files import MAX_MODEL_BYTES, existing, read_npz


def _header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + b"1234"


def _shaped(shape: str) -> bytes:
    return _header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_shaped("(1000000000000, 1)"), "x_test cannot be read"),
        (_shaped("(99999999999999999999999, 1)"), "x_test cannot be read"),
        (_shaped("(-1, 1)"), "x_test cannot be read"),
        (_header("{'descr': '<f4', 'fortran_order'[[[[: False}\n"), "x_test cannot be read"),
        (b"no array at all", "x_test is not an array"),
    ],
)
def test_a_damaged_array_in_an_archive_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("x_test.npy", content)
    with pytest.raises(ModelError, match=f"data.npz: {message}"):
        read_npz(tmp_path / "data.npz", ("x_test",))


@pytest.mark.parametrize(("offset", "value"), [(8, 1), (10, 99)])
def test_an_encrypted_archive_or_an_unknown_compression_is_refused(
    tmp_path: Path, offset: int, value: int
) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x_test=np.ones((2, 2)))
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + offset] = value
    if value == 1:
        content[content.index(b"PK\x03\x04") + 6] = 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"data.npz: x_test cannot be read \("):
        read_npz(path, ("x_test",))


def test_a_lone_array_under_an_archives_name_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "data.npz").open("wb") as file:
        np.save(file, np.ones((3, 1)))
    with pytest.raises(ModelError, match=r"one lone array .*np\.savez\(x_test=\.\.\.\)"):
        read_npz(tmp_path / "data.npz", ("x_test",))


def test_a_missing_array_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", xtest=np.ones((3, 1)))
    with pytest.raises(ModelError, match=re.escape("no array x_test (there are: xtest). Save it with")):
        read_npz(tmp_path / "data.npz", ("x_test",))


def test_python_objects_are_refused_without_advice_to_load_them(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x_test=np.array([{}, 1], dtype=object))
    with pytest.raises(ModelError, match=r"x_test cannot be read \(it holds Python objects, not numbers\)"):
        read_npz(tmp_path / "data.npz", ("x_test",))


def test_a_name_that_the_system_does_not_take_is_an_error_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        existing(tmp_path / ("a" * 300 + ".tflite"), ".tflite")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").mkdir()
    with pytest.raises(ModelError, match=r"net\.tflite: a folder, not a file"):
        existing(tmp_path / "net.tflite", ".tflite")


def test_a_model_beyond_any_device_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "net.tflite").open("wb") as file:
        file.truncate(MAX_MODEL_BYTES + 1)
    with pytest.raises(ModelError, match=r"net.tflite: 268,435,457 bytes\. .*no microcontroller"):
        existing(tmp_path / "net.tflite", ".tflite")
