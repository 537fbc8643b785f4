# SPDX-License-Identifier: Apache-2.0
"""Measures every environment whose compiler is here and writes harness/analyze/sizes/<environment>.json."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from harness import analyze, toolchains
from harness.boards import Board, load_boards
from tests.size_tables import table

FOLDER: Final = Path(analyze.__file__).parent / "sizes"


def measured(name: str, boards: list[Board]) -> str:
    """The table of one environment as text."""
    families: list[Any] = []
    content: dict[str, Any] = {}
    for board in boards:
        probes = table.build_probes(board)
        atoms = table.find_atoms(probes)
        family = {
            "pio_env": name,
            "toolchain": probes.full.toolchain,
            "import": table.import_numbers(probes),
            "unwinding_bytes": table.unwinding_bytes(probes),
            **table.type_numbers(probes.full),
            "atoms": table.atom_rows(probes.full, atoms),
            "kernels": table.kernel_numbers(probes, atoms),
        }
        families.append(family)
        content = content or {**family, "boards": {}}
        content["boards"][board.name] = table.board_numbers(probes, atoms)
    for board, family in zip(boards, families, strict=True):
        if (family["atoms"], family["structures"]) != (content["atoms"], content["structures"]):
            raise ValueError(f"{board.name} shares {name} with {boards[0].name}, but not its code")
    return "".join(_lines(content))


def _lines(content: dict[str, Any]) -> Iterator[str]:
    """JSON with a line for each entry of a table, so that a difference can be read."""
    yield "{\n"
    for number, (key, value) in enumerate(content.items()):
        yield f' "{key}": '
        if isinstance(value, dict) and value and isinstance(next(iter(value.values())), (dict, list)):
            yield "{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()) + "\n }"
        elif isinstance(value, list):
            yield "[\n" + ",\n".join(f"  {json.dumps(row)}" for row in value) + "\n ]"
        else:
            yield json.dumps(value)
        yield ",\n" if number + 1 < len(content) else "\n"
    yield "}\n"


def main(wanted: list[str]) -> None:
    """Write the tables of the environments named, or of all."""
    groups: dict[str, list[Board]] = {}
    for board in load_boards().values():
        if (
            not board.upstream
            and not toolchains.unavailable(board)
            and (not wanted or board.pio_env in wanted)
        ):
            groups.setdefault(board.pio_env, []).append(board)
    FOLDER.mkdir(exist_ok=True)
    failed = False
    with ThreadPoolExecutor(2) as pool:
        tasks = {name: pool.submit(measured, name, boards) for name, boards in groups.items()}
        for name, task in tasks.items():
            error = task.exception()
            if error is not None:
                failed = True
                print(f"{name}: FAILED: {error}")
                continue
            (FOLDER / f"{name}.json").write_text(task.result(), encoding="utf-8")
            print(f"{name}: {', '.join(board.name for board in groups[name])}")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
