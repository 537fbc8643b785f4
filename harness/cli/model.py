# SPDX-License-Identifier: Apache-2.0
"""`quantrig analyze` and `quantrig export`: a model without a board."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.console import PATH, PLAIN, open_console, say
from harness.errors import ConfigError

if TYPE_CHECKING:
    from harness.boards import Board
    from harness.sweep import Case


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
    if plot is not None:  # last: a model that is not supported has none, but the tables say why
        from harness.analyze.plot import write_plot

        write_plot(analysis, plot)
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
        ModelError: there is no such file, its kind is none of ours, or it is much too large.
    """
    from harness.workloads.files import existing

    existing(model, ".tflite", ".keras", ".h5")
    if model.suffix == ".tflite":
        return model.read_bytes()
    from harness.quantize.untrained import float32_tflite

    with _without_native_messages():
        return float32_tflite(model)


@contextlib.contextmanager
def _without_native_messages() -> Iterator[None]:
    """TensorFlow's libraries write to file descriptor 2 whatever their settings say."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@click.command()
@click.argument("case")
@click.argument("folder", type=PATH)
@click.option("--run", "run", default="latest", show_default=True, help="The run that has the case.")
@click.option("--out", type=PATH, default=Path("results"), show_default=True, help="Folder of the runs.")
@click.option("--boards", "boards_file", type=PATH, help="A file of your own boards, beside ours.")
def export(*, case: str, folder: Path, run: str, out: Path, boards_file: Path | None) -> None:
    """Hand over the model of CASE: C with only the kernels it uses, a header, and examples, in FOLDER.

    CASE is one that a run has measured, like digits/ptq-int8/aot@uno:simavr. The code is what was measured
    there; FOLDER must not hold anything yet.
    """
    from harness import reference
    from harness.boards import load_boards
    from harness.compiler import cpu_named
    from harness.export import Expectation, Origin, package, self_test_inputs
    from harness.graph import read_tflite
    from harness.sweep import Case

    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:  # a name too long, a folder that may not be looked into
        raise _unwritable(folder, error) from error
    if taken:
        raise ConfigError(f"{folder} is not an empty folder.", fix="Name one that is not there yet.")
    wanted = Case.parse(case)
    content = _kept_model(wanted, run, out)
    board = _chosen(load_boards(boards_file), (wanted.board,))[0]
    graph = read_tflite(content, name=f"{wanted.workload}-{wanted.variant}.tflite")
    told = reference.expected_outputs(content, self_test_inputs(graph))
    files = package(
        graph,
        Origin(case=wanted.id, board_title=board.title, mcu=board.mcu, cpu=cpu_named(board.cpu)),
        Expectation(outputs=told.outputs, oracle=told.oracle),
    )
    try:
        write_whole(folder.absolute(), files)
    except OSError as error:
        raise _unwritable(folder, error) from error
    click.echo(f"{len(files)} files -> {folder}")


def write_whole(folder: Path, files: Mapping[str, str]) -> None:
    """All files, first beside their place: an export that is killed does not look like a finished one."""
    draft = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    try:
        for name, text in files.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if not folder.exists():
            draft.rename(folder)
            return
        for entry in draft.iterdir():
            entry.rename(folder / entry.name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{folder} cannot be written: {error.strerror or error}.",
        fix="Name a folder where you may write, with space left.",
    )


def _kept_model(case: Case, run: str, out: Path) -> bytes:
    """The .tflite of a case that has a good result in a run.

    Raises:
        ConfigError: the run does not have the case, or not with a result.
    """
    from harness.run_reader import RunReader, find_run
    from harness.suggest import nearest

    reader = RunReader.open(find_run(out, run))
    rows = {row.case: row for row in reader.rows}
    if case.id not in rows:
        raise ConfigError(f"{reader.path} has no case {case.id}.", fix=nearest(case.id, rows))
    row = rows[case.id]
    if row.status.value != "ok":
        raise ConfigError(
            f"{case.id} has no good result in {reader.path}: {row.status.value}.",
            cause=row.reason or "",
            fix="Export a case whose outputs were proved.",
        )
    model = reader.path / "models" / f"{case.workload}__{case.variant}.tflite"
    if not model.is_file():
        raise ConfigError(f"{model}: no such file.", cause="The run was copied without its models.")
    return model.read_bytes()
