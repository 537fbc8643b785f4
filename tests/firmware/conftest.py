# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.boards import load_boards
from harness.build import Firmware, build
from tests.firmware import fake_model

MakeFirmware = Callable[..., Firmware]


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> MakeFirmware:
    """Builds the fake model for a board, once per set of options; `place` keeps builds apart."""
    caches: dict[str, Path] = {}
    made: dict[str, Firmware] = {}

    def make(board: str, *, place: str = "one", **options: Any) -> Firmware:
        key = f"{board} {place} {options}"
        if place not in caches:
            caches[place] = tmp_path_factory.mktemp(f"cache-{place}")
        if key not in made:
            made[key] = build(
                fake_model.source(**options),
                load_boards()[board],
                case_id=f"fake/{len(made)}/aot@{board}",
                cache=caches[place],
            )
        return made[key]

    return make


@pytest.fixture(scope="session")
def uno(firmware: MakeFirmware) -> Firmware:
    return firmware("uno")


@pytest.fixture(scope="session")
def stm32f4(firmware: MakeFirmware) -> Firmware:
    return firmware("stm32f4")
