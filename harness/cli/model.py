# SPDX-License-Identifier: Apache-2.0
"""`quantrig analyze` and `quantrig export`: a model without a board."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.console import PATH, PLAIN, open_console, say
from harness.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from harness.boards import Board


@click.command()
@click.argument("model", type=PATH)
@click.option("-b", "--board", "names", multiple=True, help="Only these boards (see `quantrig boards`).")
@click.option("--boards", "boards_file", type=PATH, help="A file of your own boards, beside ours.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON instead of tables.")
@click.option("--plot", type=PATH, help="Write a picture of the memory over time (.png, .svg, .pdf).")
def analyze(
    *, model: Path, names: tuple[str, ...], boards_file: Path | None, as_json: bool, plot: Path | None
) -> None:
    """Say what MODEL needs, without building anything: layers, memory, flash and RAM of each board.

    MODEL is a .tflite, or a .keras or .h5, which is converted to float32 first (that takes TensorFlow some
    seconds). Exit code 3 if an operation is not supported.
    """
    from harness.analyze import analyze as analyze_graph
    from harness.analyze import view
    from harness.boards import load_boards
    from harness.graph import read_tflite

    known = load_boards(boards_file)
    boards = _chosen(known, names)
    content = _tflite(model)
    graph = read_tflite(content, name=model.name)
    analysis = analyze_graph(graph, tflite_bytes=len(content), boards=boards)
    if plot is not None:
        from harness.analyze.plot import write_plot

        write_plot(analysis, plot)
    if as_json:
        click.echo(view.json_text(analysis), nl=False)
    else:
        console = open_console()
        for line in view.head_lines(analysis):
            console.print(line, **PLAIN)
        console.print(view.layer_table(analysis))
        console.print(view.board_table(analysis))
        for line in view.remark_lines(analysis):
            console.print(line, **PLAIN)
    if plot is not None:
        say(f"plot: {plot}")
    if analysis.unsupported:
        sys.exit(3)


def _chosen(known: dict[str, Board], names: tuple[str, ...]) -> list[Board]:
    from harness.suggest import nearest

    for name in names:
        if name not in known:
            raise ConfigError(f"There is no board {name!r}.", fix=nearest(name, known))
    return [known[name] for name in names] if names else list(known.values())


def _tflite(model: Path) -> bytes:
    """The bytes of a .tflite, or what a Keras model is converted to.

    Raises:
        ModelError: there is no such file, or its kind is none of ours.
    """
    if model.suffix not in (".tflite", ".keras", ".h5"):
        raise ModelError(f"{model}: not a file of kind .tflite, .keras or .h5.")
    if not model.is_file():
        raise ModelError(f"{model}: no such file.")
    if model.suffix == ".tflite":
        return model.read_bytes()
    from harness.quantize.untrained import float32_tflite

    return float32_tflite(model)
