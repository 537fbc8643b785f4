# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from harness.cli import main

# The same examples in every run: a red test is red for everybody. `./run fuzz` draws new ones.
settings.register_profile("tests", derandomize=True, deadline=None, database=None)
settings.register_profile("fuzz", deadline=None, max_examples=10_000)
settings.load_profile("tests")

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def quantrig(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return code, out, err

    return run
