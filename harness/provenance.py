# SPDX-License-Identifier: Apache-2.0
"""What a run's numbers depend on: machine, tools, revisions, limits of the boards. Becomes run.json."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from harness import __version__, children, reference
from harness.boards import Board
from harness.errors import UnavailableError
from harness.quantize.digests import training_digest
from harness.records import Provenance
from harness.resources import resource
from harness.spec_file import spec_to_plain
from harness.sweep import Case, SweepSpec
from harness.targets import TARGETS
from harness.toolchains import TOOLCHAINS, environment_option
from harness.workloads import Workload

#: Packages whose version can move a number.
_PACKAGES: Final = (
    "numpy",
    "platformio",
    "scikit-learn",
    "scons",
    "tensorflow",
    "tensorflow-model-optimization",
    "tf-keras",
    "tflite",
    "tflite-micro",
)


def describe_run(
    *,
    run_id: str,
    command: Sequence[str],
    spec: SweepSpec,
    cases: Sequence[Case],
    boards: Mapping[str, Board],
    workloads: Mapping[str, Workload],
) -> Provenance:
    """Gather the provenance of a run that is about to start."""
    used_boards = [boards[name] for name in dict.fromkeys(case.board for case in cases)]
    lanes = dict.fromkeys((case.target, case.board) for case in cases)
    tools = {"oracle": reference.oracle_name(), **_package_versions()}
    targets: dict[str, dict[str, Any]] = {}
    for name, board in lanes:
        target = TARGETS[name]
        missing = target.unavailable(boards[board])
        targets[f"{board}:{name}"] = {
            "label": target.label(boards[board]),
            "clock": target.clock(boards[board]),
        }
        tools |= {} if missing else target.versions()
    tools |= _compilers(used_boards)
    return Provenance(
        run_id=run_id,
        started_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=tuple(command),
        quantrig_version=__version__,
        git_revision=_git_revision(),
        host=_host(),
        tools=tools,
        flags={board.name: _compiler_flags(board) for board in used_boards},
        boards={board.name: _board(board) for board in used_boards},
        targets=targets,
        workloads={name: _workload(workload) for name, workload in workloads.items()},
        cases=tuple(case.id for case in cases),
        options=spec_to_plain(spec),
    )


def _compilers(boards: Sequence[Board]) -> dict[str, str]:
    """First line that each compiler and linker in use says of itself."""
    toolchains = [TOOLCHAINS[name] for name in dict.fromkeys(board.toolchain for board in boards)]
    tools = dict.fromkeys(tool for chain in toolchains for tool in (chain.compiler, chain.linker) if tool)
    shown = {tool: _output([tool, "--version"]).partition("\n")[0] for tool in tools}
    return {tool: line for tool, line in shown.items() if line}


def _compiler_flags(board: Board) -> str:
    """The flags of every C file, from the very module that PlatformIO's builder takes them from."""
    if board.upstream:
        return "as PlatformIO's platform and firmware/platforms/quantrig/upstream_arduino.py give them"
    platform_ = resource("firmware") / "platforms" / "quantrig"
    spec = importlib.util.spec_from_file_location("qr_toolchain", platform_ / "builder" / "qr_toolchain.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(platform_)
    toolchain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toolchain)
    name = environment_option(board.pio_env, "board")
    description = json.loads((platform_ / "boards" / f"{name}.json").read_text(encoding="utf-8"))
    build = description["build"]
    machine = toolchain.machine_flags(build["arch"], build.get("mcu", ""), build.get("cpu", ""))
    return " ".join([*machine, build["optimize"], *toolchain.flags(build["arch"])])


def _board(board: Board) -> dict[str, Any]:
    return {
        "title": board.title,
        "mcu": board.mcu,
        "cpu": board.cpu,
        "cpu_hz": board.cpu_hz,
        "flash_bytes": board.flash_bytes,
        "ram_bytes": board.ram_bytes,
        "notes": board.notes,
    }


def _workload(workload: Workload) -> dict[str, Any]:
    return {
        "title": workload.TITLE,
        "synthetic": workload.SYNTHETIC,
        "metric": workload.METRIC,
        "seed": workload.SEED,
        # sources, files of the user's, library versions: what data and model follow from
        "training_digest": training_digest(workload),
    }


def _package_versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _host() -> dict[str, Any]:
    return {
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _git_revision() -> str:
    """Commit of the checkout that the package runs from, `-dirty` if changed; empty for an installed one."""
    here = Path(__file__).resolve().parent
    if not (here.parent / ".git").exists():
        return ""
    return _output(["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"])


def _output(argv: Sequence[str]) -> str:
    try:
        done = children.run(argv, timeout_s=20)
    except UnavailableError:
        return ""
    return done.output.strip() if done.returncode == 0 else ""
