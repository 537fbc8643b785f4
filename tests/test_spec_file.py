# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.spec_file import read_spec, spec_from_plain, spec_to_plain
from harness.sweep import Lane, SweepSpec

FULL = """\
# a whole spec
workloads: [digits, sine]
variants:
  - float32
  - ptq-int8+calib=50
engines: [aot]
boards: [uno, stm32f4]
targets: [simavr, qemu]
select: ['*float32*', 'digits/*']
samples: 20
jobs: 2
model: models/net.tflite
data: /data/net.npz
metric: auc
retries: 2
quarantine: known-bad.yaml
check_layers: true
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_yaml_spec(tmp_path: Path) -> None:
    spec = read_spec(write(tmp_path, FULL))
    assert spec == SweepSpec(
        workloads=("digits", "sine"),
        variants=("float32", "ptq-int8+calib=50"),
        boards=("uno", "stm32f4"),
        targets=("simavr", "qemu"),
        select=("*float32*", "digits/*"),
        samples=20,
        jobs=2,
        model=tmp_path / "models/net.tflite",
        data=Path("/data/net.npz"),
        metric="auc",
        retries=2,
        quarantine=tmp_path / "known-bad.yaml",
        check_layers=True,
    )
    own = read_spec(write(tmp_path, "workloads: [sine, own/mine.py, /far/other.py]\n"))
    assert own.workloads == ("sine", str(tmp_path / "own/mine.py"), "/far/other.py")
    lanes = read_spec(write(tmp_path, "lanes: [uno:simavr]\n"))
    assert lanes.lanes == (Lane(board="uno", target="simavr"),)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "is empty"),
        ("# only a comment\n", None, "is empty"),
        ("- digits\n", 1, "not a mapping"),
        ("digits\n", 1, "not a mapping"),
        ("samples: 1\nworkload: [digits]\n", 2, "Did you mean 'workloads'?"),
        ("[a]: 1\n", 1, "Unknown key"),
        ("1: 1\n", 1, "Unknown key '1'"),
        ("workloads: digits\n", 1, "must be a list, not str"),
        ("workloads: {digits: 1}\n", 1, "must be a list, not dict"),
        ("\nworkloads: []\n", 2, "workloads is empty"),
        ("workloads:\n", 1, "workloads is empty"),
        ("workloads: [no]\n", 1, "must hold names, not bool"),
        ("workloads: [digits, 3]\n", 1, "must hold names, not int"),
        ("jobs: 1\nworkloads: [digits, digits]\n", 2, "'digits' is there twice"),
        ("variants: [v+a=1+b=2, v+b=2+a=1]\n", 1, "is there twice"),
        ("variants: [float32, 'x+']\n", 1, "'x+' is not a variant"),
        ("boards: ['un o']\n", 1, "'un o' is not a name"),
        ("lanes: [uno]\n", 1, "'uno' is not a lane"),
        ("select: ['']\n", 1, "an empty glob"),
        ("samples: 0\n", 1, "not a positive number"),
        ("samples: -3\n", 1, "not a positive number"),
        ("samples: yes\n", 1, "must be a whole number, not bool"),
        ("samples: 1.5\n", 1, "must be a whole number, not float"),
        ("jobs: '2'\n", 1, "must be a whole number, not str"),
        ("retries: -1\n", 1, "not a number from 0 to 20"),
        ("retries: 21\n", 1, "not a number from 0 to 20"),
        ("retries: false\n", 1, "must be a whole number, not bool"),
        ("quarantine: [a]\n", 1, "must be a path"),
        ("check_layers: 1\n", 1, "must be true or false, not int"),
        ("model: [a]\n", 1, "must be a path, not list"),
        ("samples: 1\njobs: 1\nsamples: 2\n", 3, "'samples' is there twice"),
        ("workloads: [digits\n", 2, "not YAML"),
        ("workloads: !!python/object:os.system [x]\n", 1, "not YAML"),
        ("a: *b\n", 1, "not YAML"),
        ("samples: 2026-02-31\n", None, "not YAML"),
        ("workloads: [\x00]\n", None, "not YAML"),
        ("data: x.npz\n", None, "data without a model"),
        ("lanes: [uno:simavr]\nboards: [uno]\n", None, "lanes, and also boards"),
    ],
)
def test_a_bad_yaml_spec_names_file_line_and_fix(
    tmp_path: Path, text: str, line: int | None, message: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        read_spec(path)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{path}:{line}: " if line else str(path))
    assert error.value.fix


def test_unreadable_specs(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * 1_000_001)
    for path, message in (
        (tmp_path / "none.yaml", "No such file"),
        (tmp_path, "Is a directory"),
        (binary, "not UTF-8"),
        (large, "larger than"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_spec(path)


def test_deep_and_bomb_like_yaml_is_refused_quickly(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        read_spec(write(tmp_path, "workloads: " + "[" * 5000))
    bomb = "workloads:\n - &a [x, x, x, x, x, x, x, x]\n"
    bomb += "".join(
        f" - &{'abcdefghij'[i + 1]} [{', '.join(['*' + 'abcdefghij'[i]] * 9)}]\n" for i in range(8)
    )
    with pytest.raises(ConfigError, match="must hold names, not list"):
        read_spec(write(tmp_path, bomb))


@given(st.text(alphabet="workloads:[]{}-, \n'\"&*!|>%#?digts0", max_size=60))
def test_any_text_is_a_spec_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = write(tmp_path_factory.getbasetemp(), text)
    with contextlib.suppress(ConfigError):
        spec = read_spec(path)
        assert spec_from_plain(spec_to_plain(spec)) == spec


@pytest.mark.parametrize("text", [FULL, "samples: 1\n", "lanes: [uno:simavr, native:native]\n"])
def test_a_spec_survives_run_json(tmp_path: Path, text: str) -> None:
    spec = read_spec(write(tmp_path, text))
    assert spec_from_plain(json.loads(json.dumps(spec_to_plain(spec)))) == spec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampels": 1}, "Did you mean 'samples'?"),
        ({"samples": True}, "whole number, not bool"),
        ({"workloads": None}, "must be a list"),
        ({"workloads": ["a", 1]}, "must hold names"),
        ({"model": 1}, "must be a path"),
    ],
)
def test_a_foreign_stored_spec_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        spec_from_plain(spec_to_plain(SweepSpec()) | change)
    plain = spec_to_plain(SweepSpec())
    del plain["retries"], plain["quarantine"]
    assert spec_from_plain(plain) == SweepSpec(), "runs that are older than these keys go on"
    del plain["jobs"]
    with pytest.raises(ConfigError, match="'jobs' is missing"):
        spec_from_plain(plain)
