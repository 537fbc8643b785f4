# SPDX-License-Identifier: Apache-2.0
"""Resuming: what a run must share with its beginning, or one table would mix two things."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.runs import RunPlan

BOARD = """\
{name}:
  title: This computer
  mcu: host
  cpu: host
  cpu_hz: null
  flash_bytes: null
  ram_bytes: null
  port: native
  toolchain: host
  pio_env: native
"""


def _plan(root: Path, boards: Path | None = None) -> RunPlan:
    options = {"workloads": ("sine",), "variants": ("float32",), "lanes": ("native:native",)}
    return RunPlan.from_options(spec_file=None, options=options, root=root, boards_file=boards, ports=())


def _begin(root: Path, boards: Path | None = None) -> None:
    with _plan(root, boards).open_run(("quantrig", "sweep")):
        pass


def _resume(root: Path, boards: Path | None = None) -> RunPlan:
    return RunPlan.resume("latest", root=root, boards_file=boards, ports=())


def test_an_unchanged_world_resumes_what_is_pending(tmp_path: Path) -> None:
    _begin(tmp_path)
    assert [case.id for case in _resume(tmp_path).pending()] == ["sine/float32/aot@native:native"]


def test_other_tools_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _begin(tmp_path)
    monkeypatch.setattr("harness.provenance._package_versions", lambda: {"numpy": "0.1"})
    with pytest.raises(ConfigError, match=r"begun with other tools: numpy was '.*', is '0\.1'"):
        _resume(tmp_path)


def test_another_revision_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _begin(tmp_path)
    monkeypatch.setattr("harness.provenance._git_revision", lambda: "f00d")
    with pytest.raises(ConfigError, match=r"git_revision was .* is 'f00d'"):
        _resume(tmp_path)


def test_other_limits_of_a_board_are_refused(tmp_path: Path) -> None:
    boards = tmp_path / "boards.yaml"
    boards.write_text(BOARD.format(name="native"))
    _begin(tmp_path / "results", boards)
    boards.write_text(BOARD.format(name="native").replace("This computer", "That one"))
    with pytest.raises(ConfigError, match="title was 'This computer', is 'That one'"):
        _resume(tmp_path / "results", boards)


def test_other_data_under_the_same_name_are_refused(tmp_path: Path) -> None:
    """Found in review: one table held the same model on two test sets, all `ok`."""
    data, model, root = tmp_path / "d.npz", tmp_path / "net.keras", tmp_path / "results"
    model.write_bytes(b"never read here")

    def write(offset: float) -> None:
        x, y = np.zeros((40, 3), np.float32), np.full((40, 1), offset, np.float32)
        np.savez(data, x_train=x, y_train=y, x_test=x, y_test=y)

    write(0.0)
    options = {"model": model, "data": data, "variants": ("float32",), "lanes": ("native:native",)}
    plan = RunPlan.from_options(spec_file=None, options=options, root=root, boards_file=None, ports=())
    with plan.open_run(("quantrig", "sweep")):
        pass
    write(5.0)
    with pytest.raises(ConfigError, match="training_digest was"):
        _resume(root)


def test_a_damaged_run_beside_does_not_disturb_the_estimate(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    assert _plan(tmp_path).seconds_before() == {}
