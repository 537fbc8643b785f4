# SPDX-License-Identifier: Apache-2.0
"""`./run` on machines that lack things: what it installs, and what it says when it may not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Real tools that the script itself needs.
TOOLS = ("dirname", "sh", "cut", "cksum", "cat")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs: a Debian with nothing installed; `log` notes what apt-get is asked."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (programs / tool).symlink_to(found)
    _program(programs / "dpkg-query", "exit 1")
    _program(programs / "apt-get", f'echo "$@" >> {tmp_path}/log')
    _program(programs / "apt-cache", "exit 0")
    return programs


def _program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def _run(machine: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = machine.parent / "run"
    shutil.copy(ROOT / "run", script)
    shutil.copy(ROOT / "pyproject.toml", machine.parent)
    return subprocess.run(
        ["/bin/sh", script, *arguments],
        env={"PATH": str(machine), "HOME": str(machine.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_session_it_explains_itself(machine: Path) -> None:
    done = _run(machine)
    assert done.returncode == 2
    assert "./run sweep" in done.stderr
    done = _run(machine, "--help")
    assert done.returncode == 0
    assert "./run sweep" in done.stdout


def test_neither_root_nor_sudo_prints_the_exact_command_and_stops(machine: Path) -> None:
    _program(machine / "id", "echo 1000")
    done = _run(machine, "sweep")
    assert done.returncode == 1
    assert "apt-get update && " in done.stderr
    assert "apt-get install -y --no-install-recommends gcc " in done.stderr
    assert "qemu-system-arm" in done.stderr
    assert "g++" in done.stderr
    assert not (machine.parent / "log").exists()
    assert not (machine.parent / ".venv").exists()


def test_root_installs_and_an_old_python_is_refused_by_name(machine: Path) -> None:
    _program(machine / "id", "echo 0")
    old = "import sys; sys.version_info = (3, 10); sys.version = '3.10.12 x'; exec(sys.stdin.read())"
    _program(machine / "python3", f'exec {sys.executable} -c "{old}"')
    done = _run(machine, "sweep")
    asked = (machine.parent / "log").read_text().splitlines()
    assert asked[0] == "update"
    assert asked[1].startswith("install -y --no-install-recommends gcc ")
    assert asked[2].startswith("install -y --no-install-recommends clang-22 ")
    assert len(asked) == 3
    assert done.returncode == 1
    assert "needs Python 3.11 or newer, python3 here is 3.10.12" in done.stderr


def test_a_system_without_that_llvm_does_without_the_esp32_lane(machine: Path) -> None:
    """As on Ubuntu, which has that QEMU; apt-cache exits with 0 if it knows any of its arguments."""
    _program(machine / "id", "echo 0")
    _program(machine / "apt-cache", 'case "$*" in *qemu-system-misc*) exit 0 ;; esac\nexit 100')
    _program(machine / "python3", "exit 1")
    done = _run(machine, "sweep")
    assert "does not know clang-22 llvm-22 binutils-xtensa-lx106: no lane esp32:qemu here" in done.stdout
    asked = (machine.parent / "log").read_text().splitlines()
    assert [line.split()[0] for line in asked] == ["update", "install"]
    assert "clang-22" not in asked[1]


@pytest.mark.parametrize("user", ["0", "1000"])
def test_a_lane_that_cannot_be_installed_stops_nothing(machine: Path, user: str) -> None:
    """Neither without root, nor where the archive has moved on."""
    _program(machine / "id", f"echo {user}")
    optional = "clang-22|llvm-22|binutils-xtensa-lx106|qemu-system-misc"
    _program(machine / "dpkg-query", f'case "$3" in {optional}) exit 1 ;; esac\nprintf installed')
    _program(machine / "apt-get", "exit 100")
    _program(machine / "python3", 'echo "python3 asked"\nexit 1')
    done = _run(machine, "sweep")
    assert "going on without the lane esp32:qemu" in done.stderr
    assert "python3 asked" in done.stdout


def test_sudo_is_used_where_there_is_no_root(machine: Path) -> None:
    _program(machine / "id", "echo 1000")
    _program(machine / "sudo", '[ "$1" = -v ] || exec "$@"')
    _program(machine / "python3", "exit 1")
    done = _run(machine, "sweep")
    assert done.returncode == 1
    assert (machine.parent / "log").read_text().splitlines()[0] == "update"


def test_an_environment_of_somebody_else_is_left_alone(machine: Path) -> None:
    _program(machine / "dpkg-query", "printf installed")
    _program(machine / "python3", "exit 0")
    theirs = machine.parent / ".venv" / "precious"
    theirs.parent.mkdir()
    theirs.write_text("mine")
    done = _run(machine, "sweep")
    assert done.returncode == 1
    assert "not made by ./run" in done.stderr
    assert theirs.read_text() == "mine"


def test_ci_calls_the_tests_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "exec ./run tests"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert os.access(ROOT / "run", os.X_OK)
