# SPDX-License-Identifier: Apache-2.0
"""The `quantrig` command: the only place that prints, and the only exit code.

Exit codes: 0 every case has its row and none failed, 1 a case failed, 2 wrong usage or configuration,
3 the model cannot be used (or no case is supported), 4 a lane that was asked for, or every lane, is not
available on this machine, 130 interrupted.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from harness import __version__
from harness.errors import ConfigError, QuantrigError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.rows import Row
    from harness.runs import RunPlan

_PATH = click.Path(path_type=Path)

#: How rich prints a line of ours as it is: nothing coloured by guess, nothing wrapped, no markup.
_PLAIN: Any = {"highlight": False, "markup": False, "soft_wrap": True}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="quantrig")
def cli() -> None:
    """Benchmark quantized neural networks on microcontrollers, and under their emulators.

    \b
    First steps:
      quantrig doctor          what is missing on this machine, and the command that installs it
      quantrig sweep           float32, PTQ and QAT of three workloads on the default boards
      quantrig sweep -w digits -b uno
      quantrig report latest   the tables and plots of the newest run again
    """


@cli.command()
@click.argument("spec", required=False, type=_PATH)
@click.option("-w", "--workload", "workloads", multiple=True, help="Workload: digits, gesture, sine.")
@click.option("--model", type=_PATH, help="Your own trained model, .keras or .h5 (with --data).")
@click.option("--data", type=_PATH, help="Its data: .npz with x_train, y_train, x_test, y_test.")
@click.option(
    "-v", "--variant", "variants", multiple=True, help="float32, ptq-int8, qat-int8, ptq-int8+calib=50."
)
@click.option("-b", "--board", "boards", multiple=True, help="Board of boards.yaml (see `quantrig boards`).")
@click.option("-t", "--target", "targets", multiple=True, help="native, simavr, qemu, renode or hardware.")
@click.option("--lane", "lanes", multiple=True, help="Board and target together: uno:simavr.")
@click.option("-k", "--select", multiple=True, help="Only cases whose id matches this glob: '*int8*@uno:*'.")
@click.option("--samples", type=int, help="At most so many test samples (default: the whole test set).")
@click.option("-j", "--jobs", type=int, help="Cases at a time (default: one per core).")
@click.option("--out", type=_PATH, default=Path("results"), show_default=True, help="Folder of the runs.")
@click.option("--resume", metavar="RUN", help="Continue this run: its folder, its name, or `latest`.")
@click.option(
    "--retry-failed", metavar="RUN", help="Run the failed cases of this run again, into its folder."
)
@click.option("--retries", type=int, help="Try a case again so often if what it failed by may pass.")
@click.option("--quarantine", type=_PATH, help="File of known-bad cases to leave out (docs/RESULTS.md).")
@click.option("--boards", "boards_file", type=_PATH, help="A file of your own boards, beside ours.")
@click.option("--port", "ports", multiple=True, metavar="BOARD=URL|ID", help="Where a board is.")
@click.option("--map", "map_file", type=_PATH, help="The boards of your desk [default: hardware-map.yaml].")
@click.option(
    "--busy",
    type=click.Choice(["refuse", "wait"]),
    default="refuse",
    show_default=True,
    help="What to do when another process uses a board.",
)
@click.option("--dry-run", is_flag=True, help="Show the cases, the time they took before, and flash writes.")
def sweep(
    *,
    spec: Path | None,
    out: Path,
    resume: str | None,
    retry_failed: str | None,
    boards_file: Path | None,
    ports: tuple[str, ...],
    map_file: Path | None,
    busy: str,
    dry_run: bool,
    **options: Any,
) -> None:
    """Run every case of a sweep and write a folder of results.

    A case is one workload, variant, engine, board and target, written digits/ptq-int8/aot@uno:simavr.
    SPEC is a YAML file with the options' names as keys (workloads, variants, boards, targets, lanes,
    select, samples, jobs, model, data, retries, quarantine); options win over it. Rows are stored as
    they arrive: after a kill or a power cut, --resume continues where it stopped; --retry-failed runs
    again what failed.
    """
    from harness.runs import RunPlan

    again = retry_failed or resume
    if resume and retry_failed:
        raise ConfigError("--resume and --retry-failed.", fix="--resume runs the failed cases again, too.")
    if again is None:
        plan = RunPlan.from_options(
            spec_file=spec,
            options=options,
            root=out,
            boards_file=boards_file,
            ports=ports,
            map_file=map_file,
        )
    elif spec or any(value for name, value in options.items() if name not in ("retries", "quarantine")):
        given = "--resume" if resume else "--retry-failed"
        raise ConfigError(f"{given} with other options.", fix="Only --retries and --quarantine may change.")
    else:
        plan = RunPlan.resume(
            again,
            root=out,
            boards_file=boards_file,
            ports=ports,
            map_file=map_file,
            retries=options["retries"],
            quarantine=options["quarantine"],
            only_failed=retry_failed is not None,
        )
    console = _console()
    for remark in plan.remarks():
        _say(f"quarantine: {remark}")
    if dry_run:
        _show_plan(console, plan)
    else:
        with plan.reserve(wait=busy == "wait", on_wait=_say):
            _run(console, plan)


def _run(console: Console, plan: RunPlan) -> None:
    """Run the plan, store and show it, write the report."""
    from harness.live import Live
    from harness.report import write_report

    pending = plan.pending()
    with plan.open_run(("quantrig", *sys.argv[1:])) as writer:
        for repair in writer.repairs:
            console.print(f"resume: {repair}", highlight=False)
        console.print(f"{len(pending)} of {len(plan.cases)} cases to run -> {writer.path}", highlight=False)
        try:
            with Live(console, len(pending)) as live:
                for result in plan.run(pending, writer, live):
                    live.ended(result.case_id, result.row(), failed_tries=len(result.attempts))
        except QuantrigError as error:
            _say(f"quantrig: {error}")
            _abandon(error.exit_code)
        except (KeyboardInterrupt, BrokenPipeError) as error:
            stopped = isinstance(error, KeyboardInterrupt)
            why = "interrupted" if stopped else "nobody reads its output any more"
            again = shlex.join(("--resume", str(writer.path), *plan.desk))
            _say(f"quantrig: {why}; `quantrig sweep {again}` continues.")
            _abandon(130)
        folder = writer.path
    report_file = write_report(folder)
    rows = _show_run(console, folder)
    console.print(f"report: {report_file}", highlight=False, soft_wrap=True)
    _end_by(rows, strict=plan.names_lanes)


def _show_run(console: Console, folder: Path) -> tuple[Row, ...]:
    """Tables and counts of a run; gives its rows."""
    from harness.report import terminal_remarks, terminal_tables
    from harness.run_reader import RunReader

    reader = RunReader.open(folder)
    for table in terminal_tables(reader.rows, reader.provenance):
        console.print(table)
    for remark in terminal_remarks(reader):
        console.print(f"line of {remark}", **_PLAIN)
    counts = Counter(row.status.value for row in reader.rows)
    console.print(", ".join(f"{count} {status}" for status, count in counts.items()), highlight=False)
    return reader.rows


def _end_by(rows: tuple[Row, ...], *, strict: bool) -> None:
    """Exit 1 if a case failed; 4 if a lane that was asked for is not available; else by the worst reason
    why not one case has a result."""
    reasons = {
        status: dict.fromkeys(row.reason for row in rows if row.status.value == status)
        for status in ("failed", "unavailable", "unsupported")
    }
    for row in rows:
        if row.status.value == "failed":
            _say(f"failed: {row.case}: {row.reason}")
    if reasons["failed"]:
        sys.exit(1)
    empty = not any(row.status.value in ("ok", "does-not-fit") for row in rows)
    for status, code in (("unavailable", 4), ("unsupported", 3)):
        if reasons[status] and (empty or (strict and status == "unavailable")):
            for reason in reasons[status]:
                _say(f"{status}: {reason}")
            sys.exit(code)


def _abandon(code: int) -> NoReturn:
    """End now: worker threads may still wait for a device, and what they would bring is not wanted.

    Children end with us.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _show_plan(console: Console, plan: RunPlan) -> None:
    """--dry-run: each case with the time that it took before, and what would be flashed."""
    before, quarantined = plan.seconds_before(), plan.quarantined
    pending = [case for case in plan.pending() if case.id not in quarantined]
    known = [before[case.id] for case in pending if case.id in before]
    for case in pending:
        seconds = f"{before[case.id]:7.1f} s" if case.id in before else "      ? s"
        console.print(f"{seconds}  {case.id}", highlight=False, soft_wrap=True)
    estimate = f"about {sum(known) / plan.jobs:.0f} s with {plan.jobs} jobs" if known else "no estimate"
    missing = len(pending) - len(known)
    note = f", {missing} cases never ran under {plan.root}" if missing else f", as last run under {plan.root}"
    console.print(f"{len(pending)} cases, {estimate}{note} (training not counted)", highlight=False)
    if quarantined:
        console.print(f"quarantined, left out: {', '.join(quarantined)}", **_PLAIN)
    writes = Counter(case.board for case in pending if case.target == "hardware")
    shown = ", ".join(f"{board}: {count}" for board, count in writes.items())
    console.print(f"flash writes: {shown or 'none, no case runs on a board'}", highlight=False)


@cli.command()
@click.option("--boards", "boards_file", type=_PATH, help="A file of your own boards, beside ours.")
@click.option("--map", "map_file", type=_PATH, help="The boards of your desk [default: hardware-map.yaml].")
@click.option("--write-map", is_flag=True, help="Add what is plugged in to that file, or make it.")
def boards(boards_file: Path | None, map_file: Path | None, write_map: bool) -> None:
    """Show what boards.yaml knows, which emulators are here, and what is plugged in."""
    from harness import hardware_map
    from harness.boards import load_boards
    from harness.desk_view import attached, description, desk_lines, ready_lanes
    from harness.serial_ports import serial_ports

    known, plugged = load_boards(boards_file), serial_ports()
    desk = hardware_map.load_map(map_file, known, new=write_map)
    console = _console()
    if write_map:
        text, changes = desk.updated(plugged, known)
        if changes:
            hardware_map.write_map(desk.path, text)
        desk = hardware_map.load_map(desk.path, known)
        for change in changes or ("nothing to change",):
            console.print(f"{desk.path}: {change}", **_PLAIN)
    lanes = {
        board.name: ready_lanes(board, *attached(board, known, desk, plugged)) for board in known.values()
    }
    width = max(len(f"{board}:{target}") for board, found in lanes.items() for target, _ in found)
    for board in known.values():
        console.print(f"{board.name}  {board.title}: {description(board)}", style="bold", **_PLAIN)
        for target, reason in lanes[board.name]:
            console.print(f"  {f'{board.name}:{target}':{width}}  {reason or 'ready'}", **_PLAIN)
    reasons = [reason for found in lanes.values() for _, reason in found]
    ready = reasons.count(None)
    console.print(f"\n{len(known)} boards, {len(reasons)} lanes, {ready} of them ready here\n", **_PLAIN)
    for line in desk_lines(known, desk, plugged):
        console.print(line, **_PLAIN)


@cli.command()
@click.option("--boards", "boards_file", type=_PATH, help="A file of your own boards, beside ours.")
@click.option("--map", "map_file", type=_PATH, help="The boards of your desk [default: hardware-map.yaml].")
def doctor(boards_file: Path | None, map_file: Path | None) -> None:
    """Say what is missing on this machine for which lane, and the command that installs it; then what would
    trip the boards that are plugged in.

    Exit code 4 if a lane of the default sweep cannot run.
    """
    from harness.boards import load_boards
    from harness.desk_view import attached, ready_lanes
    from harness.hardware_map import load_map
    from harness.serial_ports import serial_ports
    from harness.sweep import DEFAULT_LANES
    from harness.traps import find_traps

    console = _console()
    known, plugged = load_boards(boards_file), serial_ports()
    desk = load_map(map_file, known)
    default = {(lane.board, lane.target) for lane in DEFAULT_LANES}
    broken = 0
    for board in known.values():
        for target, reason in ready_lanes(board, *attached(board, known, desk, plugged)):
            in_default = (board.name, target) in default
            broken += bool(reason and in_default)
            mark = "ready  " if reason is None else "MISSING" if in_default else "-      "
            text = f"{mark} {board.name}:{target}{f'  {reason}' if reason else ''}"
            console.print(text, **_PLAIN)
    for trap in find_traps(plugged, known):
        console.print(f"TRAP    {trap.what}\n        {trap.fix}", **_PLAIN)
    if broken:
        _say(f"{broken} lanes of the default sweep cannot run here.")
        sys.exit(4)
    console.print("The default sweep can run.", highlight=False)


@cli.command()
@click.argument("run")
@click.option("--out", type=_PATH, default=Path("results"), show_default=True, help="Folder of the runs.")
def report(run: str, out: Path) -> None:
    """Write the report of RUN again (a folder, a run's name, or `latest`) and show its tables."""
    from harness.report import write_report
    from harness.run_reader import find_run

    folder = find_run(out, run)
    report_file = write_report(folder)
    console = _console()
    console.print(f"report: {report_file}", highlight=False, soft_wrap=True)
    _end_by(_show_run(console, folder), strict=False)


@cli.command()
@click.argument("base")
@click.argument("new")
@click.option(
    "--fail-on",
    "rules",
    multiple=True,
    metavar="RULE",
    help="Exit 1 if a case breaks it: status, 'latency>2%', 'ram>64B', 'metric<-0.5%', any, ...",
)
@click.option("--all", "everything", is_flag=True, help="Show also what stayed the same.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON instead of tables.")
@click.option("--markdown", "markdown_file", type=_PATH, help="Write a summary for a CI into this file.")
@click.option("--out", type=_PATH, default=Path("results"), show_default=True, help="Folder of the runs.")
def compare(
    *,
    base: str,
    new: str,
    rules: tuple[str, ...],
    everything: bool,
    as_json: bool,
    markdown_file: Path | None,
    out: Path,
) -> None:
    """Compare two runs case by case: what got better, what got worse, what cannot be compared.

    BASE and NEW are folders, runs' names, `latest`, or a results.csv. Without --fail-on nothing fails; rules
    may be repeated or separated by commas, and docs/RESULTS.md has them all. Quote them: > redirects.
    """
    from harness.report import compare_runs
    from harness.report.compare_table import breach_text, json_text, terminal_parts, write_markdown

    judgement = compare_runs(out, base, new, rules)
    if markdown_file is not None:
        write_markdown(judgement, markdown_file)
    if as_json:
        click.echo(json_text(judgement), nl=False)
    else:
        console = _console()
        for part in terminal_parts(judgement, width=console.width, everything=everything):
            console.print(part)
    for breach in judgement.breaches:
        _say(breach_text(breach))
    if judgement.breaches:
        sys.exit(1)


def _console() -> Console:
    from rich.console import Console

    # In a pipe or a CI log rich would wrap tables at 80 columns.
    return Console(width=None if sys.stdout.isatty() else 160)


def _say(text: str) -> None:
    click.echo(text, err=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; always ends by SystemExit."""
    try:
        cli.main(
            args=None if arguments is None else list(arguments), prog_name="quantrig", standalone_mode=False
        )
    except QuantrigError as error:
        _say(f"quantrig: {error}")
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _say("quantrig: interrupted.")
        _abandon(130)
    sys.exit(0)


if __name__ == "__main__":
    main()
