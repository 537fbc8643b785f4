# SPDX-License-Identifier: Apache-2.0
"""Runs PlatformIO on a copy of the firmware tree, without network and without touching the user's own.

The copy and PlatformIO's core folder live in the cache under the digest of the tree: an installed wheel
may be read-only, two checkouts must not build with each other's platform, and a changed tree starts
clean. The core folder is seeded with what PlatformIO would download: SCons, which pip installed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from harness import children
from harness.boards import Board
from harness.errors import UnavailableError
from harness.locks import locked
from harness.pins import pin_number

_SCONS: Final = """\
import sys

from SCons.Script.Main import main

sys.exit(main())
"""

#: Before the name of what is made beside its final name and not yet complete.
DRAFT_PREFIX: Final = "draft-"

#: A draft takes seconds; one of this age belongs to nobody any more.
_STALE_DRAFT_S: Final = 3600.0

#: The environment that is made for each build; its folder of output has this name.
ENVIRONMENT: Final = "firmware"

_PLATFORM_URI: Final = "symlink://platforms/quantrig"

#: What the builder runs on the linked program (qr_stamp.py), by this very Python and package.
_STAMP: Final = "import sys; sys.path.insert(0, sys.argv[1]); from harness import elf; elf.main(sys.argv[2])"

_PROXIES: Final = tuple(
    name for base in ("http_proxy", "https_proxy", "all_proxy") for name in (base, base.upper())
)

#: No host at all: refused at once, where a closed port is tried again for a minute.
_NOWHERE: Final = "http://"

#: What would make the compiler or PlatformIO behave otherwise than the tree says.
_FOREIGN_VARIABLES: Final = re.compile(
    r"PLATFORMIO_.*|QR_.*|C_INCLUDE_PATH|CPLUS_INCLUDE_PATH|CPATH|CCC_.*|LIBRARY_PATH|COMPILER_PATH|GCC_.*|DEPENDENCIES_OUTPUT"
    r"|SUNPRO_DEPENDENCIES|SCONSFLAGS|LC_.*|LANG|LANGUAGE|PYTHON.*"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """The firmware tree in the cache, ready for PlatformIO."""

    digest: str
    project: Path
    core: Path


def prepare(firmware: Path, cache: Path) -> Template:
    """Copy the tree `firmware` and seed PlatformIO's core folder, unless that has been done.

    Safe against other threads and processes doing the same, and against being killed: the folder
    appears under its name only when it is complete. One that was damaged later is made again: what is
    compiled is the copy, and it goes by the digest of the original.
    """
    files = list(_tree_files(firmware))
    digest = tree_digest(firmware, files)
    home = cache / "pio" / digest[:16]
    remove_stale_drafts(home.parent)
    if not _is_whole(home, digest):
        home.parent.mkdir(parents=True, exist_ok=True)
        with locked(home.parent / "lock"):
            if not _is_whole(home, digest):
                _make_template(firmware, files, home)
    return Template(digest=digest, project=home / "firmware", core=home / "core")


def _is_whole(home: Path, digest: str) -> bool:
    """Whether the copy is still the tree's, and PlatformIO's core folder has what it was seeded with."""
    project, core = home / "firmware", home / "core"
    return all((core / name).is_file() for name in _seeds(project)) and tree_digest(project) == digest


def _make_template(firmware: Path, files: Iterable[Path], home: Path) -> None:
    """Make the folder `home` beside its place and move it there; what was there goes with the draft."""
    draft = Path(tempfile.mkdtemp(prefix=DRAFT_PREFIX, dir=home.parent))
    try:
        new = draft / "new"
        for file in files:
            copy = new / "firmware" / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(firmware / file, copy)
        for name, text in _seeds(home / "firmware").items():
            seed = new / "core" / name
            seed.parent.mkdir(parents=True, exist_ok=True)
            seed.write_text(text, encoding="utf-8")
        if home.exists():
            home.rename(draft / "damaged")
        new.rename(home)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def remove_stale_drafts(folder: Path) -> None:
    """Remove the drafts that killed processes left in `folder`; those that are being made stay."""
    for draft in folder.glob(f"{DRAFT_PREFIX}*"):
        with suppress(OSError):  # somebody else tidies up too, or the cache may only be read
            if time.time() - draft.stat().st_mtime <= _STALE_DRAFT_S:
                continue
            if draft.is_dir():
                shutil.rmtree(draft, ignore_errors=True)
            else:
                draft.unlink()


def tree_digest(firmware: Path, files: Iterable[Path] | None = None) -> str:
    """SHA-256 over names and contents of the tree, and over the versions of PlatformIO and SCons.

    Raises:
        UnavailableError: one of the two is not installed beside us.
    """
    state = hashlib.sha256(f"platformio {_installed('platformio')}, scons {_installed('scons')}\0".encode())
    for file in files if files is not None else _tree_files(firmware):
        content = (firmware / file).read_bytes()
        state.update(f"{file.as_posix()}\0{len(content)}\0".encode() + content)
    return state.hexdigest()


def _tree_files(firmware: Path) -> Iterator[Path]:
    """The tree's files in a fixed order; hidden files and caches of tools are no part of it."""
    for folder, names, files in os.walk(firmware):
        names[:] = sorted(name for name in names if not name.startswith((".", "__pycache__")))
        for name in sorted(files):
            if not name.startswith("."):
                yield (Path(folder) / name).relative_to(firmware)


def _seeds(project: Path) -> dict[str, str]:
    """Files of a core folder as if PlatformIO had downloaded SCons and linked our platform itself."""
    number = _scons_package_version()
    spec: dict[str, object] = {"id": None, "requirements": None}
    scons = spec | {"owner": "platformio", "name": "tool-scons", "uri": None}
    platform = spec | {"owner": None, "name": "quantrig", "uri": _PLATFORM_URI}
    about = {"name": "tool-scons", "version": number, "description": "SCons from PyPI", "system": "*"}
    installed = {"type": "tool", "name": "tool-scons", "version": number, "spec": scons}
    return {
        "packages/tool-scons/package.json": json.dumps(about),
        # without it PlatformIO would ask its registry who made the package
        "packages/tool-scons/.piopm": json.dumps(installed),
        "packages/tool-scons/.piokeep": "",
        "packages/tool-scons/scons.py": _SCONS,
        # PlatformIO tends its folder when the version in here is not its own
        "appstate.json": json.dumps({"last_version": _installed("platformio")}),
        # written here, as parallel first runs would write it over each other
        "platforms/quantrig.pio-link": json.dumps({"cwd": str(project), "spec": platform}),
    }


def _scons_package_version() -> str:
    """SCons 4.11.1 as PlatformIO numbers it: 4.41101.0 (docs of its package tool-scons)."""
    major, minor, patch = [*_installed("scons").split("."), "0", "0"][:3]
    return f"{major}.{major}{int(minor):02d}{int(patch):02d}.0"


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise UnavailableError(
            f"{package} is not installed in this Python environment.",
            fix=f"`{sys.executable} -m pip install quantrig` brings the version that is needed.",
        ) from None


def user_core() -> Path:
    """PlatformIO's core folder of the user, where the platforms are that it downloaded."""
    return Path(os.environ.get("PLATFORMIO_CORE_DIR") or Path.home() / ".platformio")


def environment(template: Template, board: Board, *, work: Path, model: Path) -> dict[str, str]:
    """The variables for one PlatformIO run that builds the model in folder `model` in folder `work`."""
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN_VARIABLES.fullmatch(name)}
    if board.upstream:
        # a package that is missing is the user's to install, never a download in the middle of a sweep
        kept |= dict.fromkeys(_PROXIES, _NOWHERE) | {"NO_PROXY": "", "no_proxy": ""}
    return kept | {
        "LC_ALL": "C",
        "PLATFORMIO_BUILD_DIR": str(work / "build"),
        "PLATFORMIO_CORE_DIR": str(user_core() if board.upstream else template.core),
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_NO_ANSI": "true",
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_WORKSPACE_DIR": str(work / "workspace"),
        "QR_MODEL_DIR": str(model),
        "QR_STAMP": shlex.join([sys.executable, "-c", _STAMP, str(Path(__file__).resolve().parents[1])]),
    }


def board_options(board: Board) -> dict[str, str]:
    """What boards.yaml says of the board, in PlatformIO's words; all of it wins over the board file that
    the environment names."""
    options = {"custom_qr_board": board.name}
    if board.pio_board:
        options["board"] = board.pio_board
    numbers = {
        "board_build.baud": board.baud,
        "board_upload.maximum_size": board.flash_bytes,
        "board_upload.maximum_ram_size": board.ram_bytes,
    }
    options |= {name: str(number) for name, number in numbers.items() if number is not None}
    if board.cpu_hz is not None:
        options["board_build.f_cpu"] = f"{board.cpu_hz}L"
    if board.trigger_pin is not None:
        options["board_build.trigger_pin"] = str(pin_number(board.port, board.trigger_pin))
    if board.upload is not None:
        options["upload_protocol"] = board.upload.protocol
    return options | {f"board_build.{key}": value for key, value in board.build.items()}


def _project_file(template: Template, board: Board, work: Path) -> Path:
    """The template's platformio.ini with the board's own environment, called `ENVIRONMENT`, at its end."""
    lines = [(template.project / "platformio.ini").read_text(encoding="utf-8"), f"[env:{ENVIRONMENT}]"]
    lines.append(f"extends = env:{board.pio_env}")
    lines += [f"{name} = {value}" for name, value in board_options(board).items()]
    file = work / "platformio.ini"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def run(
    template: Template,
    board: Board,
    *arguments: str,
    work: Path,
    model: Path,
    log: Path,
    timeout_s: float,
    variables: Mapping[str, str] | None = None,
) -> children.CompletedRun:
    """`pio run ARGUMENTS` for the board, one compiler at a time, into `work`/build/`ENVIRONMENT`."""
    project = ("-d", template.project, "-c", _project_file(template, board, work), "-e", ENVIRONMENT)
    return children.run(
        [sys.executable, "-m", "platformio", "run", *project, "-j", "1", "-v", *arguments],
        timeout_s=timeout_s,
        log=log,
        env=environment(template, board, work=work, model=model) | dict(variables or {}),
        cwd=template.project,
    )


def stack_report(output: Path) -> dict[str, Any]:
    """What the builder computed of the stack; empty where it has no limit to keep, or nothing was linked."""
    file = output / "stack.json"
    report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return report


def toolchain_line(output: Path) -> str:
    """Compiler, version and flags, as the builder noted them."""
    compiler = json.loads((output / "toolchain.json").read_text(encoding="utf-8"))
    return " ".join([compiler["compiler"], *compiler["flags"]])


def linked_files(output: Path) -> list[str]:
    """The toolchain's libraries and start files that the linker's map names."""
    found = set()
    for name in ("firmware.map", "firmware-unbounded.map"):
        file = output / name
        if file.is_file():
            loads = re.findall(r"^LOAD (/.+)$", file.read_text("utf-8", "replace"), re.MULTILINE)
            found |= {os.path.realpath(path) for path in loads if not path.startswith(str(output))}
    return sorted(found)
