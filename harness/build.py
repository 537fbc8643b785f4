# SPDX-License-Identifier: Apache-2.0
"""GeneratedSource and Board in, Firmware out: an ELF with its digest in it, an image to flash, its sizes.

PlatformIO compiles (`pio.py`), the ELF itself tells the sizes (`elf.py`). A build is filed under the
digest of everything that it depends on and appears there by one rename, so an unchanged case is found
without starting anything, and a build that was killed is never taken for a finished one. That a
firmware does not fit is an outcome like any other and is filed in the same way.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from harness import children, elf, pio, toolchains
from harness.boards import Board
from harness.errors import BuildError, DoesNotFitError, UnavailableError, UnsupportedError
from harness.kernel_files import kernel_files
from harness.locks import locked
from harness.resources import resource

if TYPE_CHECKING:
    from harness.compiler import GeneratedSource

#: Part of every build's key: raise it when this module or elf.py changes what a build yields.
_RECIPE: Final = 5

_TIMEOUT_S: Final = 600.0

_RECORD: Final = "build.json"

#: Suffixes of what is flashed or run, the preferred first.
_FLASHED: Final = (".hex", ".bin", ".uf2", ".zip", ".elf")

#: Linked without the board's limits (qr_link.py): it is measured, never run.
_UNBOUNDED: Final = "firmware-unbounded.elf"

#: As far as avr-gcc reads constants in flash, however much there is.
_NEAR_BYTES: Final = 0x10000

#: So many of a case's builds stay in the cache, those that were used last.
_KEPT_BUILDS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Memory of one firmware, from its ELF; all in bytes."""

    flash_bytes: int
    flash_model_bytes: int
    """Of it, weights and tables of the model."""
    ram_static_bytes: int
    """.data and .bss, arena included."""
    arena_bytes: int
    stack_reserve_bytes: int
    """Worst case from the call graph with one interrupt; 0 on `native`, which has no limit to keep."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Firmware:
    """A finished build. Its files stay where they are until `_KEPT_BUILDS` others of the case displace it."""

    case_id: str
    board: Board
    folder: Path
    elf: Path
    image: Path
    """What is flashed or run: Intel HEX, raw binary, or the ELF."""
    model: Path
    """The folder of the generated source."""
    sizes: Sizes
    firmware_sha256: str
    """What HELLO must answer."""
    model_sha256: str
    toolchain: str
    """Compiler, version and flags in one line."""
    stack_report: Mapping[str, Any]
    """The builder's stack.json: the chain of calls behind the reserve; empty on `native`."""


def build(
    source: GeneratedSource,
    board: Board,
    *,
    case_id: str,
    cache: Path,
    log: Path | None = None,
    firmware: Path | None = None,
) -> Firmware:
    """Build the case's firmware, or find it built; may be called from several threads and processes.

    Args:
        case_id: names the case's folder in the cache, after a replacement of what file names cannot hold.
            For a case of a sweep that gives its slug; a build knows no sweeps, so any text will do.
        cache: the folder for everything that can be made again.
        log: receives the tools' output (default: build.log in the case's cache folder).
        firmware: the firmware tree, ours by default.

    Raises:
        DoesNotFitError: flash or RAM of the board is too small.
        BuildError: a tool refused the source.
        UnavailableError: a tool is missing.
    """
    if reason := toolchains.unavailable(board):
        raise UnavailableError(f"The toolchain for {board.title} is not here.", cause=reason)
    template = pio.prepare(firmware or resource("firmware"), cache)
    home = cache / "builds" / re.sub(r"[^\w.+=,-]", "__", case_id)
    job = _Job(
        source=source,
        board=board,
        case_id=case_id,
        template=template,
        home=home,
        folder=home / _key(source, board, template.digest)[:16],
        log=log or home / "build.log",
    )
    found = _find(job)
    if found is None:
        with locked(home / "lock"):
            found = _find(job) or _make(job)
    return _outcome(job, found)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    """One build and its places."""

    source: GeneratedSource
    board: Board
    case_id: str
    template: pio.Template
    home: Path
    """The case's folder in the cache."""
    folder: Path
    """In it, what this very build yields."""
    log: Path


def _key(source: GeneratedSource, board: Board, tree_digest: str) -> str:
    """Digest of everything that the firmware follows from, but the compiler (see `_toolchain_state`)."""
    facts = {
        "recipe": _RECIPE,
        "tree": tree_digest,
        "files": dict(source.files),
        "arena_bytes": source.arena_bytes,
        "model_sha256": source.model_sha256,
        "board": [board.name, board.port, board.pio_env, sorted(pio.board_options(board).items())],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _find(job: _Job) -> dict[str, Any] | None:
    """The record of the finished build, if there is one, its files are whole and its compiler is ours."""
    try:
        record: dict[str, Any] = json.loads((job.folder / _RECORD).read_text(encoding="utf-8"))
        known: dict[str, list[int]] = record["tools"]
        whole = all(_sha256(job.folder / name) == digest for name, digest in record["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # JSON, but not our record
        return None
    if not whole or toolchains.state(job.board, list(known)) != known:
        return None
    with suppress(OSError):  # a cache that may only be read loses nothing anyway
        os.utime(job.folder)  # it is in use: see `_displace_old_builds`
    return record


def _make(job: _Job) -> dict[str, Any]:
    """Run PlatformIO in a fresh folder and file what came out; the case's lock is held.

    Raises:
        BuildError, UnavailableError: nothing is filed, so that the next call tries again.
    """
    work = job.home / "work"
    shutil.rmtree(work, ignore_errors=True)  # of a build that was killed
    draft = work / "draft"
    model = draft / "model"
    model.mkdir(parents=True)
    job.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        for name, text in job.source.files.items():
            (model / name).write_text(text, encoding="utf-8")
        # only these are compiled (qr_sources.py): all of them would take most of a build's time
        (model / "kernels.txt").write_text("".join(f"{name}\n" for name in _kernels(job.source)), "utf-8")
        done = pio.run(job.template, job.board, work=work, model=model, log=job.log, timeout_s=_TIMEOUT_S)
        output = work / "build" / pio.ENVIRONMENT
        # asked even after a link that succeeded: boards.yaml may be stricter than PlatformIO's board file
        record = _does_not_fit(job, output, done.output)
        if record is None and done.returncode != 0:
            raise _build_error(job, done)
        record = record or _collect(job, output, draft)
        record["tools"] = toolchains.state(job.board, pio.linked_files(output))
        record["files"] = {file.name: _sha256(file) for file in sorted(draft.iterdir()) if file.is_file()}
        (draft / _RECORD).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        shutil.rmtree(job.folder, ignore_errors=True)  # whole or not: `_find` refused it
        draft.rename(job.folder)
        os.utime(job.folder)
        _displace_old_builds(job.home, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return record


def _kernels(source: GeneratedSource) -> list[str]:
    """Files of lib/nn that the model needs."""
    called = {name for text in source.files.values() for name in re.findall(r"\b(nn_\w+)\(", text)}
    return [name for name in kernel_files(called) if name.endswith(".c")] if called else []


def _displace_old_builds(home: Path, work: Path) -> None:
    """Move all but the builds used last to `work`, which is removed: none is ever found half removed."""
    builds = [path for path in home.iterdir() if re.fullmatch(r"[0-9a-f]{16}", path.name)]
    builds.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for old in builds[_KEPT_BUILDS:]:
        old.rename(work / old.name)


def _collect(job: _Job, output: Path, draft: Path) -> dict[str, Any]:
    """Copy what PlatformIO made from its folder to the draft: the stamped program and all images of it."""
    for file in output.iterdir():
        if file.suffix in _FLASHED and file.name != _UNBOUNDED:
            shutil.copy2(file, draft / file.name)
    path = draft / "firmware.elf"
    image = next(file for suffix in _FLASHED if (file := path.with_suffix(suffix)).is_file())
    program = elf.read_program(path)
    stack = pio.stack_report(output)
    return {
        "image": image.name,
        "firmware_sha256": elf.read_stamp(program),
        "toolchain": pio.toolchain_line(output),
        "stack_report": stack,
        "sizes": asdict(_sizes(job, program, stack)),
    }


def _sizes(job: _Job, program: elf.Program, stack: Mapping[str, Any]) -> Sizes:
    return Sizes(
        flash_bytes=elf.flash_bytes(program),
        flash_model_bytes=elf.flash_model_bytes(program),
        ram_static_bytes=elf.ram_static_bytes(program),
        arena_bytes=job.source.arena_bytes,
        stack_reserve_bytes=int(stack.get("reserve_bytes", 0)),
    )


def _does_not_fit(job: _Job, output: Path, words: str) -> dict[str, Any] | None:
    """The record of a firmware that is too large, from its link without limits; None: that was not it.

    A platform of PlatformIO's links once, within limits: what the linker says then has to do.
    """
    linked = output / ("firmware.elf" if job.board.upstream else _UNBOUNDED)
    stack = pio.stack_report(output)
    if not linked.is_file() or not stack:
        return _does_not_link(job, words) if job.board.upstream else _does_not_compile(job)
    program = elf.read_program(linked)
    sizes = _sizes(job, program, stack)
    span, reserve = elf.ram_span_bytes(program), sizes.stack_reserve_bytes
    model, static = f"{sizes.flash_model_bytes} of them the model", f"{span} static"
    record = _excess(
        _Need("flash", sizes.flash_bytes, job.board.flash_bytes, model),
        _Need("ram", span + reserve, job.board.ram_bytes, f"{static}, {reserve} reserved for the stack"),
    ) or _excess(_Need("flash", program.near_flash_bytes, _NEAR_BYTES, "up to the last constant"))
    if record is not None:
        record["does_not_fit"] |= {"sizes": asdict(sizes), "toolchain": pio.toolchain_line(output)}
    return record


def _does_not_compile(job: _Job) -> dict[str, Any] | None:
    """The same for a model so large that avr-gcc refuses an array of it (from 32 KiB on)."""
    return _excess(
        _Need("flash", job.source.model_bytes, job.board.flash_bytes, "the model alone"),
        _Need("ram", job.source.arena_bytes, job.board.ram_bytes, "the arena alone"),
    )


def _does_not_link(job: _Job, words: str) -> dict[str, Any] | None:
    """The same from what the linker says of its regions, whose names differ from chip to chip."""
    needs = []
    for region, bytes_over in re.findall(r"region [`'](\w+)' overflowed by (\d+) bytes", words):
        is_flash = re.search(r"flash|rom|iram0_2", region, re.IGNORECASE)
        limit = (job.board.flash_bytes if is_flash else job.board.ram_bytes) or 0
        needs.append(
            _Need("flash" if is_flash else "ram", limit + int(bytes_over), limit, f"region {region}")
        )
    return _excess(*needs)


class _Need(NamedTuple):
    """What a firmware takes of a region, and what the board has (None: no limit); in bytes."""

    region: str
    needed: int
    available: int | None
    detail: str


def _excess(*needs: _Need) -> dict[str, Any] | None:
    """The record that names the regions that are too small, the first of them in numbers; None: all fit."""
    over = [need for need in needs if need.available is not None and need.needed > need.available]
    if not over:
        return None
    first, *others = over
    clauses = [
        f"; {other.region}: needs {other.needed} bytes, the board has {other.available}, {other.detail}"
        for other in others
    ]
    numbers = {"region": first.region, "needed_bytes": first.needed, "available_bytes": first.available}
    return {"does_not_fit": {**numbers, "detail": first.detail + "".join(clauses)}}


def _build_error(job: _Job, done: children.CompletedRun) -> BuildError | UnavailableError | UnsupportedError:
    """What went wrong, by the first line of the output that says so."""
    if done.timed_out:
        return BuildError(f"The build took more than {_TIMEOUT_S:.0f} s.", fix=f"See {job.log}.")
    if re.search(r"cannot read spec file|fatal error: [\w/]+\.h: No such file|cannot find -l", done.output):
        missing = re.search(r"(cannot read spec file|fatal error: |cannot find -l).*", done.output)
        return UnavailableError(
            f"The toolchain for {job.board.title} is incomplete: {missing[0] if missing else ''}.",
            fix=f"`{toolchains.install_command(job.board)}`.",
        )
    if re.search(r"HTTPClientError|UnknownPackageError|InternetConnectionError", done.output):
        return UnavailableError(
            f"PlatformIO lacks packages for {job.board.title}.",
            fix=f"`{toolchains.install_command(job.board)}`.",
        )
    if re.search(r"error: size of (?:variable|array|unnamed array).* is too large", done.output):
        return UnsupportedError(
            f"{job.board.title}: the model has an array above 32,767 bytes, which avr-gcc does not take.",
            fix="Use a board with 32-bit addresses, or split the layer.",
        )
    signs = (
        r"^.*(?:\berror: |undefined reference|multiple definition|^Error: |^xtensa_cc: |ld: (?!warning)"
        r"|^\*\*\* ).*$"
    )
    line = re.search(signs, done.output, re.MULTILINE)
    last = done.output.strip().splitlines()[-1:] or ["no output"]
    return BuildError(
        f"The build failed: {line[0].strip() if line else last[0]}",
        cause=f"Exit code {done.returncode} of {' '.join(done.argv[:4])}.",
        fix=f"The whole output is in {job.log}.",
    )


def _outcome(job: _Job, record: Mapping[str, Any]) -> Firmware:
    """A record as what `build` gives."""
    if "does_not_fit" in record:
        raise DoesNotFitError(**record["does_not_fit"])
    return Firmware(
        case_id=job.case_id,
        board=job.board,
        folder=job.folder,
        elf=job.folder / "firmware.elf",
        image=job.folder / record["image"],
        model=job.folder / "model",
        sizes=Sizes(**record["sizes"]),
        firmware_sha256=record["firmware_sha256"],
        model_sha256=job.source.model_sha256,
        toolchain=record["toolchain"],
        stack_report=record["stack_report"],
    )


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
