# SPDX-License-Identifier: Apache-2.0
"""The `quantrig` command: the only package that prints, and the only exit code.

Exit codes: 0 every case has its row and none failed, 1 a case failed, 2 wrong usage or configuration,
3 the model cannot be used (or no case is supported), 4 a lane that was asked for, or every lane, is not
available on this machine, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from harness import __version__
from harness.cli.console import abandon, say
from harness.cli.desk import boards, doctor
from harness.cli.model import analyze, export
from harness.cli.results import compare, report
from harness.cli.sweep import sweep
from harness.errors import QuantrigError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="quantrig")
def cli() -> None:
    """Benchmark quantized neural networks on microcontrollers, and under their emulators.

    \b
    First steps:
      quantrig doctor          what is missing on this machine, and the command that installs it
      quantrig sweep           float32, PTQ and QAT of three workloads on the default boards
      quantrig sweep -w digits -b uno
      quantrig analyze net.tflite   what a model needs, and which boards have it
      quantrig report latest   the tables and plots of the newest run again
    """


for _command in (sweep, analyze, boards, doctor, report, compare, export):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; always ends by SystemExit."""
    try:
        cli.main(
            args=None if arguments is None else list(arguments), prog_name="quantrig", standalone_mode=False
        )
    except QuantrigError as error:
        say(f"quantrig: {error}")
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        # A file or folder that was named to us, or the disk: nothing that a traceback would tell more about.
        say(f"quantrig: {error.filename}: {error.strerror}. Check that path, its rights, and the space left.")
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        say("quantrig: interrupted.")
        abandon(130)
    sys.exit(0)
