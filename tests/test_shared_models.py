# SPDX-License-Identifier: Apache-2.0
"""Public models that lie beside the checkout, from the file to the row: native, Cortex-M4 and Uno.

The suite stands without them; `../shared/models` is not part of the repository. Each runs on 32 samples of
seeded inputs, as `quantrig sweep --model net.tflite` does it.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from harness.errors import ReasonCode
from harness.graph import count_macs, count_params, read_tflite
from harness.layer_check import SAMPLES
from harness.records import Outcome, Status
from harness.sweep import Lane
from harness.trial import SEEDED_SAMPLES
from tests.case_runner import result_of_model

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"

pytestmark = pytest.mark.skipif(not MODELS.is_dir(), reason=f"extra models are not at {MODELS}")

NATIVE, F405, MPS2, UNO = "native:native", "stm32f4:qemu", "mps2_an386:qemu", "uno:simavr"


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """One file, and what is known of it."""

    elements: int
    """Of one sample's output."""
    layers: int
    """Operations."""
    arena_bytes: int
    """Planned for a Cortex-M4."""
    oracle: str = "tflm "
    """The beginning of its name."""


KNOWN: Final = {
    "ad_float": Model(elements=640, layers=10, arena_bytes=3072),
    "ad_int8": Model(elements=640, layers=10, arena_bytes=768),
    "hello_float": Model(elements=1, layers=3, arena_bytes=128),
    "hello_int8": Model(elements=1, layers=3, arena_bytes=32),
    "kws_float": Model(elements=12, layers=13, arena_bytes=33960, oracle="tflite-reference "),
    "kws_int8": Model(elements=12, layers=13, arena_bytes=8490),
    "micro_speech_int8": Model(elements=4, layers=4, arena_bytes=5960),
}

#: Lanes where a model's layers are compared, too.
CHECKED: Final = {
    ("kws_int8", F405),
    ("kws_float", F405),
    ("micro_speech_int8", F405),
    ("hello_int8", UNO),
}


def emulated(name: str, lane: str) -> Any:
    """The parameters of a run under an emulator."""
    return pytest.param(name, lane, marks=pytest.mark.emulator)


def test_every_file_is_known() -> None:
    assert sorted(path.stem for path in MODELS.glob("*.tflite")) == sorted(KNOWN)


@pytest.mark.parametrize(
    ("name", "lane"),
    [
        *((name, NATIVE) for name in KNOWN),
        *(emulated(name, F405) for name in KNOWN if name != "ad_float"),
        emulated("ad_float", MPS2),
        emulated("hello_int8", UNO),
        emulated("hello_float", UNO),
    ],
)
def test_the_row(name: str, lane: str, tmp_path: Path) -> None:
    """Outputs equal the oracle's: int8 to the bit, float32 within 1e-5 (records.FLOAT_TOLERANCE)."""
    known, checked = KNOWN[name], (name, lane) in CHECKED
    result = result_of_model(MODELS / f"{name}.tflite", Lane.parse(lane), tmp_path, check_layers=checked)
    assert result.outcome == Outcome(status=Status.OK, warnings=result.outcome.warnings)
    row = result.row()
    assert (row["samples"], row["mismatches"]) == (SEEDED_SAMPLES, 0)
    assert row["outputs_compared"] == SEEDED_SAMPLES * known.elements
    assert row["oracle"].startswith(known.oracle)
    assert row["oracle"].endswith(" with dequantized weights") == (name == "kws_float")
    if lane != UNO:
        assert row["arena_bytes"] == known.arena_bytes
    if checked:
        _check_table(tmp_path, known)


def _check_table(folder: Path, known: Model) -> None:
    """Every layer of the model is in the table; each equals the oracle's or is a folded one."""
    (file,) = folder.glob("*.layers.csv")
    with file.open(encoding="utf-8", newline="") as text:
        layers = list(csv.DictReader(text))
    assert len(layers) == known.layers
    for layer in layers:
        if layer["op"] == "RESHAPE":
            assert (layer["step"], layer["mismatches"]) == ("", "")
            assert layer["note"] == "folded: names the bytes of its input"
        else:
            assert (layer["mismatches"], layer["note"]) == ("0", "")
            assert int(layer["compared"]) == SAMPLES * int(layer["elements"])


@pytest.mark.emulator
def test_a_model_that_outgrows_the_f405_says_so(tmp_path: Path) -> None:
    result = result_of_model(MODELS / "ad_float.tflite", Lane.parse(F405), tmp_path)
    assert (result.outcome.status, result.outcome.reason_code) == (
        Status.DOES_NOT_FIT,
        ReasonCode.DOES_NOT_FIT,
    )
    assert re.match(r"flash: needs \d+ bytes, the board has 1048576 ", result.outcome.reason)
    flash_bytes = result.row()["flash_bytes"]
    assert isinstance(flash_bytes, int)
    assert flash_bytes > 1 << 20


def test_keyword_spotting_costs_what_its_authors_say() -> None:
    """MLPerf Tiny gives 2.7 million MACs for its DS-CNN."""
    graph = read_tflite((MODELS / "kws_int8.tflite").read_bytes(), name="kws")
    assert round(count_macs(graph) / 1e6, 1) == 2.7
    assert 20_000 < count_params(graph) < 25_000
