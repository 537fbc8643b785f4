# SPDX-License-Identifier: Apache-2.0
"""What a sweep shows while it runs: live bars on a terminal, one line per ended case elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID


class Live:
    """One bar for the sweep and one for each thing that is under way; a context manager.

    Its methods may be called from any thread; it is the pipeline's `Progress`.
    """

    def __init__(self, console: Console, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = console
        self._total = total
        self._done = 0
        self._lock = threading.Lock()
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[step]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._overall = self._progress.add_task("sweep", total=total, step="cases")

    def __enter__(self) -> Live:
        self._progress.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._progress.stop()

    def step(self, name: str, text: str) -> None:
        """`name` has come to the step `text`."""
        with self._lock:
            if name in self._bars:
                self._progress.update(self._bars[name], step=text)
            else:
                self._bars[name] = self._progress.add_task(name, total=None, step=text)

    def samples(self, case_id: str, done: int, total: int) -> None:
        """The device has inferred `done` of `total` samples."""
        with self._lock:
            if case_id in self._bars:
                self._progress.update(self._bars[case_id], completed=done, total=total)

    def finished(self, name: str) -> None:
        """Nothing more comes from `name`."""
        with self._lock:
            bar = self._bars.pop(name, None)
            if bar is not None:
                self._progress.remove_task(bar)

    def ended(self, case_id: str, row: Mapping[str, object], *, failed_tries: int = 0) -> None:
        """A case has its row, after so many tries that failed: one line that stays."""
        from rich.markup import escape

        with self._lock:
            self._done += 1
            self._progress.update(self._overall, completed=self._done)
            status = str(row["status"])
            style = {"ok": "green", "failed": "bold red"}.get(status, "yellow")
            text = (
                f"[dim]{self._done:>3}/{self._total}[/dim] [{style}]{status:<12}[/{style}] {escape(case_id)}"
            )
            tries = f" (failed tries before it: {failed_tries})" if failed_tries else ""
            line = f"{text}  {escape(_summary(row))}{tries}"
            self._console.print(line, highlight=False, soft_wrap=True)


def _summary(row: Mapping[str, object]) -> str:
    """The ticks by their clock and the metric, or the reason."""
    if row["status"] != "ok":
        return str(row["reason"])
    ticks, metric = row["latency_ticks_median"], row["metric_value"]
    unit = "ns wall" if row["clock"] == "wall" else row["clock"]
    parts = ["not timed" if ticks is None else f"{ticks:,.0f} {unit}"]
    parts += [] if metric is None else [f"{row['metric']} {metric:.4f}"]
    return ", ".join([*parts, f"{row['seconds']:.1f} s"])
