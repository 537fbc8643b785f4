# SPDX-License-Identifier: Apache-2.0
"""`quantrig sweep`."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.console import PATH, PLAIN, abandon, open_console, say
from harness.cli.ending import end_by, show_run
from harness.errors import ConfigError, QuantrigError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.runs import RunPlan


@click.command()
@click.argument("spec", required=False, type=PATH)
@click.option(
    "-w", "--workload", "workloads", multiple=True, help="digits, gesture, sine, or your my_workload.py."
)
@click.option("--model", type=PATH, help="Your own model: .keras or .h5 with --data, or .tflite.")
@click.option(
    "--data", type=PATH, help="Its data: .npz with x_train, y_train, x_test, y_test (docs/WORKLOADS.md)."
)
@click.option("--metric", help="accuracy, mae or auc [default: what its targets suggest].")
@click.option(
    "-v", "--variant", "variants", multiple=True, help="float32, ptq-int8, qat-int8, ptq-int8+calib=50, ..."
)
@click.option("-b", "--board", "boards", multiple=True, help="Board of boards.yaml (see `quantrig boards`).")
@click.option("-t", "--target", "targets", multiple=True, help="native, simavr, qemu, renode or hardware.")
@click.option("--lane", "lanes", multiple=True, help="Board and target together: uno:simavr.")
@click.option("-k", "--select", multiple=True, help="Only cases whose id matches this glob: '*int8*@uno:*'.")
@click.option("--samples", type=int, help="At most so many test samples (default: the whole test set).")
@click.option("-j", "--jobs", type=int, help="Cases at a time (default: one per core).")
@click.option("--out", type=PATH, default=Path("results"), show_default=True, help="Folder of the runs.")
@click.option("--resume", metavar="RUN", help="Continue this run: its folder, its name, or `latest`.")
@click.option(
    "--retry-failed", metavar="RUN", help="Run the failed cases of this run again, into its folder."
)
@click.option("--retries", type=int, help="Try a case again so often if what it failed by may pass.")
@click.option("--quarantine", type=PATH, help="File of known-bad cases to leave out (docs/RESULTS.md).")
@click.option("--check-layers", is_flag=True, default=None, help="Compare every layer with the oracle, too.")
@click.option("--boards", "boards_file", type=PATH, help="A file of your own boards, beside ours.")
@click.option("--port", "ports", multiple=True, metavar="BOARD=URL|ID", help="Where a board is.")
@click.option("--map", "map_file", type=PATH, help="The boards of your desk [default: hardware-map.yaml].")
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
    select, samples, jobs, model, data, metric, retries, quarantine, check_layers); options win over
    it. Rows are stored as they arrive: after a kill or a power cut, --resume continues where it stopped;
    --retry-failed runs again what failed.
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
    console = open_console()
    for remark in plan.remarks():
        say(f"quarantine: {remark}")
    if dry_run:
        _show_plan(console, plan)
    else:
        with plan.reserve(wait=busy == "wait", on_wait=say):
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
            say(f"quantrig: {error}")
            abandon(error.exit_code)
        except (KeyboardInterrupt, BrokenPipeError) as error:
            stopped = isinstance(error, KeyboardInterrupt)
            why = "interrupted" if stopped else "nobody reads its output any more"
            again = shlex.join(("--resume", str(writer.path), *plan.desk))
            say(f"quantrig: {why}; `quantrig sweep {again}` continues.")
            abandon(130)
        folder = writer.path
    report_file = write_report(folder)
    rows = show_run(console, folder)
    console.print(f"report: {report_file}", highlight=False, soft_wrap=True)
    end_by(rows, strict=plan.names_lanes)


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
        console.print(f"quarantined, left out: {', '.join(quarantined)}", **PLAIN)
    writes = Counter(case.board for case in pending if case.target == "hardware")
    each = 2 if plan.spec.check_layers else 1
    shown = ", ".join(f"{board}: {each * count}" for board, count in writes.items())
    console.print(f"flash writes: {shown or 'none, no case runs on a board'}", highlight=False)
