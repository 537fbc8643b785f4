# SPDX-License-Identifier: Apache-2.0
"""Resuming: what a run must share with its beginning, or one table would mix two things."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.records import Status
from harness.runs import RunPlan
from harness.store import RunWriter
from harness.sweep import Case
from tests.report import fixtures

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


#: Cases of the plan below, and how each ended.
FLOAT, PTQ, QAT = (f"sine/{name}/aot@native:native" for name in ("float32", "ptq-int8", "qat-int8"))


def _three(root: Path, quarantine: Path | None = None) -> RunPlan:
    """One row failed, one not available, none of the third."""
    options = {"workloads": ("sine",), "lanes": ("native:native",), "quarantine": quarantine}
    plan = RunPlan.from_options(spec_file=None, options=options, root=root, boards_file=None, ports=())
    with plan.open_run(("quantrig", "sweep")) as writer:
        writer.add(fixtures.failed(Case.parse(FLOAT), "It broke.", reason_code="hang"))
        writer.add(fixtures.failed(Case.parse(PTQ), "Not there.", status=Status.UNAVAILABLE))
    return plan


def _again(root: Path, *, only_failed: bool) -> RunPlan:
    return RunPlan.resume("latest", root=root, boards_file=None, ports=(), retries=3, only_failed=only_failed)


def _ids(plan: RunPlan) -> list[str]:
    return [case.id for case in plan.pending()]


def test_retry_failed_runs_only_what_failed(tmp_path: Path) -> None:
    _three(tmp_path)
    assert _ids(_again(tmp_path, only_failed=True)) == [FLOAT]
    assert _ids(_again(tmp_path, only_failed=False)) == [FLOAT, PTQ, QAT]
    assert _again(tmp_path, only_failed=True).spec.retries == 3
    with RunWriter.reopen(next(tmp_path.iterdir())) as writer:
        writer.add(fixtures.measured(Case.parse(FLOAT)))
    assert _ids(_again(tmp_path, only_failed=True)) == []


class _Silent:
    def step(self, name: str, text: str) -> None: ...

    def samples(self, case_id: str, done: int, total: int) -> None: ...

    def finished(self, name: str) -> None: ...


def test_quarantined_cases_are_skipped_with_the_reason_until_they_are_released(tmp_path: Path) -> None:
    file, root = tmp_path / "bad.yaml", tmp_path / "results"
    file.write_text("- cases: ['*/ptq-int8/*', 'digits/*']\n  comment: Its plug is loose.\n")
    plan = _three(root, file)
    why = "Quarantined: Its plug is loose (bad.yaml, line 1)."
    assert plan.quarantined == {PTQ: why}
    assert plan.remarks() == (f"{file}:1: 'digits/*' matches no case of this sweep.",)
    again = _again(root, only_failed=False)
    chosen = [case for case in again.pending() if case.id == PTQ]
    with again.open_run(()) as writer:
        (result,) = again.run(chosen, writer, _Silent())
    outcome = result.outcome
    assert (outcome.status, outcome.reason_code, outcome.reason) == (Status.SKIPPED, "quarantined", why)
    assert _ids(_again(root, only_failed=False)) == [FLOAT, QAT]
    file.write_text("# all repaired\n")
    assert _ids(_again(root, only_failed=False)) == [FLOAT, PTQ, QAT]
    file.unlink()
    with pytest.raises(ConfigError, match=r"bad\.yaml cannot be read"):
        _again(root, only_failed=False)
    other = tmp_path / "other.yaml"
    other.write_text("- cases: ['*/float32/*']\n  comment: Hangs.\n")
    named = RunPlan.resume("latest", root=root, boards_file=None, ports=(), quarantine=other)
    assert list(named.quarantined) == [FLOAT]


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
    with pytest.raises(ConfigError, match=r"begun with another quantrig: it was .* is 'f00d'"):
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
