# SPDX-License-Identifier: Apache-2.0
"""What the commands share: lines for people, and how to end."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from rich.console import Console

PATH = click.Path(path_type=Path)

#: How rich prints a line of ours as it is: nothing coloured by guess, nothing wrapped, no markup.
PLAIN: Any = {"highlight": False, "markup": False, "soft_wrap": True}


def open_console() -> Console:
    """The terminal, or a pipe."""
    from rich.console import Console

    # In a pipe or a CI log rich would wrap tables at 80 columns.
    return Console(width=None if sys.stdout.isatty() else 160)


def say(text: str) -> None:
    """A line on the standard error."""
    click.echo(text, err=True)


def abandon(code: int) -> NoReturn:
    """End now: worker threads may still wait for a device, and what they would bring is not wanted.

    Children end with us.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
