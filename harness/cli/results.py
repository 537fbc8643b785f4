# SPDX-License-Identifier: Apache-2.0
"""`quantrig report` and `quantrig compare`: runs that are there already."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli.console import PATH, open_console, say
from harness.cli.ending import end_by, show_run


@click.command()
@click.argument("run")
@click.option("--out", type=PATH, default=Path("results"), show_default=True, help="Folder of the runs.")
def report(run: str, out: Path) -> None:
    """Write the report of RUN again (a folder, a run's name, or `latest`) and show its tables."""
    from harness.report import write_report
    from harness.run_reader import find_run

    folder = find_run(out, run)
    report_file = write_report(folder)
    console = open_console()
    console.print(f"report: {report_file}", highlight=False, soft_wrap=True)
    end_by(show_run(console, folder), strict=False)


@click.command()
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
@click.option("--markdown", "markdown_file", type=PATH, help="Write a summary for a CI into this file.")
@click.option("--out", type=PATH, default=Path("results"), show_default=True, help="Folder of the runs.")
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
        console = open_console()
        for part in terminal_parts(judgement, width=console.width, everything=everything):
            console.print(part)
    for breach in judgement.breaches:
        say(breach_text(breach))
    if judgement.breaches:
        sys.exit(1)
