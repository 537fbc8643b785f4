# SPDX-License-Identifier: Apache-2.0
"""Every developer act by name: `./run NAME` sets the machine up first, `nox -s NAME` does not.

The sessions share the environment that `./run` made (.venv): TensorFlow is installed once.
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["tests"]
nox.needs_version = ">=2024.10"


@nox.session
def sweep(session: nox.Session) -> None:
    """Run the default sweep under emulators; arguments go to `quantrig sweep`."""
    session.run("quantrig", "sweep", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Lint, type-check and test everything, emulators included; arguments go to pytest instead."""
    if session.posargs:
        session.run("python", "-m", "pytest", *session.posargs)
        return
    lint(session)
    typecheck(session)
    session.run("python", "-m", "pytest", "--numprocesses=2", "--dist=loadgroup")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check types with mypy, strict."""
    session.run("mypy")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure performance as ratios against a baseline in the same run."""
    session.run("python", "-m", "pytest", "tests/bench", "-m", "bench", "-s", *session.posargs)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Fuzz for minutes what the tests fuzz for seconds: receiver, models, Xtensa code, bad hardware."""
    folders = ("tests/fuzz", "tests/bad_hardware")
    session.run("python", "-m", "pytest", *folders, "-m", "fuzz", "-s", *session.posargs)


@nox.session(default=False)
def sizes(session: nox.Session) -> None:
    """Build every case and show flash, model, RAM and arena beside the committed reference run."""
    session.run("python", "-m", "tests.sizes", *session.posargs)


@nox.session(default=False)
def size_tables(session: nox.Session) -> None:
    """Measure the code of every kernel on every board: what `quantrig analyze` estimates from.

    Writes harness/analyze/sizes; arguments name environments of firmware/platformio.ini.
    """
    session.run("python", "-m", "tests.size_tables", *session.posargs)
