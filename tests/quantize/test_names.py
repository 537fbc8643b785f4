# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from harness.errors import ConfigError
from harness.quantize import VARIANTS, parse_variant
from harness.quantize.variant import Variant, join_options


@pytest.mark.parametrize(
    ("identifier", "name", "options"),
    [
        ("float32", "float32", {}),
        ("ptq-int8", "ptq-int8", {}),
        ("ptq-int8+calib=50", "ptq-int8", {"calib": "50"}),
        ("ptq-int8+calib=050", "ptq-int8", {"calib": "50"}),
    ],
)
def test_taken_apart(identifier: str, name: str, options: dict[str, str]) -> None:
    assert parse_variant(identifier) == (name, options)


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("int8", "no variant 'int8'. Choose one of float32, ptq-int8, qat-int8"),
        ("", "no variant ''"),
        ("float32+calib=50", "float32 has no option 'calib'. It has none"),
        ("ptq-int8+bits=4", "ptq-int8 has no option 'bits'. It has calib"),
        ("ptq-int8+calib", "calib must be a whole number above 0, not ''"),
        ("ptq-int8+calib=0", "not '0'"),
        ("ptq-int8+calib=-5", "not '-5'"),
        ("ptq-int8+calib=1.5", "not '1.5'"),
        ("ptq-int8+calib=\u0662", "not '\u0662'"),
        ("ptq-int8+calib=5+calib=6", "option calib is given twice"),
    ],
)
def test_refused(identifier: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_variant(identifier)
    assert message in str(caught.value)


def test_a_variant_knows_its_identifier() -> None:
    assert Variant(name="float32", options="", tflite=b"").identifier == "float32"
    options = join_options({"calib": "50", "bits": "8"})
    assert Variant(name="ptq-int8", options=options, tflite=b"").identifier == "ptq-int8+bits=8+calib=50"


def test_recipes_are_listed_under_their_names() -> None:
    assert all(name == recipe.NAME for name, recipe in VARIANTS.items())
