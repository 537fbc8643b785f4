# SPDX-License-Identifier: Apache-2.0
"""Builds the probes for one board and reads its sizes off objects, maps and listings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness import elf, pio
from harness.boards import Board
from harness.compiler import GeneratedSource
from harness.resources import cache_dir, resource
from tests.size_tables.link_map import LinkMap, read_map
from tests.size_tables.objects import Objects, read_objects
from tests.size_tables.stack import Stacks, read_stacks

_TIMEOUT_S: Final = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """One probe, linked."""

    program: elf.Program
    flash_bytes: int
    objects: Objects
    map: LinkMap
    stacks: Stacks
    toolchain: str

    @property
    def model_object(self) -> str:
        """The object of model.c."""
        return next(file for file in self.map.objects if file.endswith(("/model.o", "/model.c.o")))


def build_probe(board: Board, source: GeneratedSource, work: Path, *, kernels: bool) -> Built:
    """Compile and link a probe without the board's limits; a link within them may fail.

    Probes of one board go into one folder, one after the other. Without `kernels` none is compiled, as
    of a model that uses none: what is not linked may still ask for a library.

    Raises:
        RuntimeError: the compiler refused something.
    """
    template = pio.prepare(resource("firmware"), cache_dir())
    model, output = work / "model", work / "build" / pio.ENVIRONMENT
    model.mkdir(exist_ok=True)
    for name, text in source.files.items():
        (model / name).write_text(text, encoding="utf-8")
    (model / "kernels.txt").unlink(missing_ok=True)
    if not kernels:
        (model / "kernels.txt").write_text("", encoding="utf-8")
    for old in (*output.glob("*.elf"), *output.glob("*.map")):
        old.unlink()
    log = work / "build.log"
    done = pio.run(template, board, work=work, model=model, log=log, timeout_s=_TIMEOUT_S)
    stem = "firmware" if board.port == "native" else "firmware-unbounded"
    linked = output / f"{stem}.elf"
    if not linked.is_file():
        errors = re.findall(r"^.*(?: error: |undefined reference|^Error: ).*$", done.output, re.MULTILINE)
        raise RuntimeError("\n".join([f"{board.name}: the probe does not link", *errors[:5]]))
    found, program = read_map(output / f"{stem}.map"), elf.read_program(linked)
    return Built(
        program=program,
        flash_bytes=elf.flash_bytes(program),
        objects=read_objects(found.objects),
        map=found,
        stacks=read_stacks(board, output, linked),
        toolchain=pio.toolchain_line(output),
    )
