# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the table of the design, checked on the source text; and who is lazy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

HARNESS: Final = Path(__file__).resolve().parents[1] / "harness"
FIRMWARE: Final = HARNESS.parent / "firmware"

#: Open to all: they know nothing of the domain.
OPEN: Final = {"errors", "resources", "children", "locks", "suggest", "case_log"}

#: module or subpackage -> what else of the package it may import.
ALLOWED: Final[dict[str, set[str]]] = {
    "errors": set(),
    "resources": set(),
    "children": {"supervisor"},
    "supervisor": set(),
    "locks": set(),
    "case_log": set(),
    "suggest": set(),
    "pins": set(),
    "boards": {"board_file", "pins"},
    "sweep": set(),
    "spec_file": {"sweep"},
    "records": set(),
    "graph": set(),
    "link": set(),
    "workloads": set(),
    "quantize": {"workloads"},
    "hybrid": set(),
    "interpreters": {"compiler", "graph", "hybrid"},
    "reference": {"interpreters"},
    "layer_check": {
        "boards", "build", "compiler", "desk", "elf", "graph", "interpreters", "link", "records", "reference",
        "rows", "targets",
    },
    "compiler": {"graph"},
    "trial": {"graph", "records", "workloads"},
    "elf": set(),
    "pio": {"boards", "pins"},
    "llvm": set(),
    "toolchains": {"boards", "llvm", "pio"},
    "board_file": set(),
    "build": {"compiler", "boards", "elf", "kernel_files", "pio", "toolchains"},
    "kernel_files": set(),
    "serial_ports": set(),
    "map_keys": {"board_file"},
    "hardware_map": {"board_file", "boards", "map_keys", "serial_ports"},
    "desk": {"boards", "hardware_map", "link", "map_keys", "serial_ports"},
    "targets": {"build", "boards", "desk", "link", "pio", "toolchains"},
    "windows": {"link", "marks", "records"},
    "measure": {"link", "records", "windows"},
    "rows": {"records"},
    "attempts": {"records"},
    "links": {"attempts", "records", "rows"},
    "marks": {"records"},
    "case_run": {"graph", "marks", "records", "sweep"},
    "quarantine": {"board_file"},
    "run_reader": {"links", "records", "rows"},
    "store": {"links", "records", "rows", "run_reader"},
    "report": {"links", "marks", "records", "rows", "run_reader"},
    "provenance": {
        "boards", "build", "quantize", "records", "reference", "spec_file", "sweep", "targets", "toolchains",
        "workloads",
    },
    "pipeline": {
        "attempts", "boards", "build", "case_run", "compiler", "desk", "elf", "graph", "layer_check",
        "measure", "quantize", "records", "reference", "sweep", "targets", "trial", "workloads",
    },
    "runs": {
        "boards", "desk", "hardware_map", "pipeline", "provenance", "quantize", "quarantine", "records",
        "run_reader", "serial_ports", "spec_file", "store", "sweep", "workloads",
    },
    "live": set(),
    "traps": {"boards", "serial_ports"},
    "analyze": {"boards", "compiler", "graph"},
    "export": {"compiler", "graph", "kernel_files"},
    "desk_view": {"boards", "desk", "hardware_map", "serial_ports", "targets"},
    "cli": {
        "analyze", "boards", "compiler", "desk_view", "export", "graph", "hardware_map", "live", "quantize",
        "reference", "report", "rows", "run_reader", "runs", "serial_ports", "sweep", "traps", "workloads",
    },
}  # fmt: skip

#: Light enough to be imported at the top of a module.
LIGHT: Final = {"serial", "platformio"}

#: Only these may import the package named, however lazily.
HEAVY: Final[dict[str, set[str]]] = {
    "tensorflow": {"workloads", "quantize", "hybrid", "interpreters"},
    "tf_keras": {"workloads", "quantize"},
    "keras": {"workloads", "quantize"},
    "tensorflow_model_optimization": {"workloads", "quantize"},
    "tflite_micro": {"interpreters"},
    "pandas": {"run_reader", "report"},
    "matplotlib": {"analyze", "report"},
    "sklearn": {"workloads"},
    "serial": {"link", "serial_ports"},
    "platformio": {"build"},
}


def _owner(path: Path) -> str:
    relative = path.relative_to(HARNESS)
    return relative.parts[0].removesuffix(".py")


def _sources() -> list[Path]:
    return sorted(
        p
        for p in HARNESS.rglob("*.py")
        if p.parent != HARNESS or p.name not in ("__init__.py", "__main__.py")
    )


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(dotted name, whether at module level) of every import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "harness":
                names = [alias.name for alias in node.names if alias.name != "__version__"]
                yield from ((f"harness.{name}", id(node) in top) for name in names)
            else:
                yield (node.module or "", id(node) in top)


@pytest.mark.parametrize("path", _sources(), ids=lambda p: str(p.relative_to(HARNESS)))
def test_imports_follow_the_table(path: Path) -> None:
    owner = _owner(path)
    allowed = ALLOWED[owner] | OPEN | {owner}
    used = {name.split(".")[1] for name, _ in _imports(path) if name.startswith("harness.")}
    assert used <= allowed, f"{owner} must not import {sorted(used - allowed)}"


@pytest.mark.parametrize("path", _sources(), ids=lambda p: str(p.relative_to(HARNESS)))
def test_heavy_packages_stay_where_they_belong_and_are_lazy(path: Path) -> None:
    for name, at_top in _imports(path):
        root = name.split(".")[0]
        if root in HEAVY:
            assert _owner(path) in HEAVY[root], f"{root} belongs to {sorted(HEAVY[root])}"
            assert not at_top or root in LIGHT, f"{root} must be imported where it is used"


def test_every_module_is_in_the_table() -> None:
    assert {_owner(path) for path in _sources()} == set(ALLOWED)


def test_the_table_has_no_cycle() -> None:
    done: set[str] = set()
    while len(done) < len(ALLOWED):
        ready = {m for m, uses in ALLOWED.items() if m not in done and uses <= done | OPEN}
        assert ready, f"a cycle among {sorted(set(ALLOWED) - done)}"
        done |= ready


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from harness.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('HEAVY', sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize("path", sorted((FIRMWARE / "lib" / "nn").iterdir()), ids=lambda p: p.name)
def test_kernels_include_only_nn_and_standard_headers(path: Path) -> None:
    standard = {"<stdint.h>", "<string.h>", "<math.h>", "<float.h>"}
    for line in path.read_text().splitlines():
        if line.startswith("#include"):
            name = line.split()[1]
            assert name in standard or name.strip('"').startswith("nn"), line


def test_nothing_includes_a_port_and_no_heap() -> None:
    for path in sorted([*FIRMWARE.rglob("*.c"), *FIRMWARE.rglob("*.h")]):
        if "simavr" in path.parts:
            continue
        text = path.read_text()
        assert "ports/" not in "".join(line for line in text.splitlines() if "#include" in line), path
        assert "malloc(" not in text, path
