# SPDX-License-Identifier: Apache-2.0
"""From what a user asked for to a run on the disk: cases, bench, folder, and what it will take."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from harness.boards import Board, load_boards
from harness.desk import Attachment, reserve, resolve
from harness.errors import ConfigError, ReasonCode
from harness.hardware_map import load_map
from harness.pipeline import Bench, Progress, run_sweep
from harness.provenance import describe_run
from harness.quantize import VARIANTS, parse_variant
from harness.quarantine import Quarantine
from harness.records import Provenance, Result, Status
from harness.resources import cache_dir
from harness.run_reader import RunReader, find_run
from harness.serial_ports import serial_ports
from harness.spec_file import read_spec, spec_from_plain
from harness.store import RunWriter, new_run_id
from harness.sweep import AS_IS, HARDWARE, Case, Known, SweepSpec, expand, is_file
from harness.workloads import (
    WORKLOADS,
    AsIsWorkload,
    TrainedWorkload,
    model_workload,
    read_workload_file,
)

ENGINES = ("aot",)


#: With these a case has gone its whole way, so the time that it took says something.
_ENDED: Final = (Status.OK, Status.DOES_NOT_FIT)

#: Provenance that a resumed run must share with its beginning.
_MUST_BE_EQUAL: Final = (
    *("cases", "quantrig_version", "git_revision", "tools", "flags", "boards", "targets", "workloads"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPlan:
    """A sweep that is ready to run: everything the user named exists."""

    spec: SweepSpec
    cases: tuple[Case, ...]
    boards: Mapping[str, Board]
    workloads: Mapping[str, TrainedWorkload | AsIsWorkload]
    ports: Mapping[str, Attachment]
    root: Path
    """Folder of the runs."""
    name: str
    """Last part of a new run's id."""
    resumed: Path | None = None
    only_failed: bool = False
    """Of a resumed run, only the cases that failed."""
    quarantine: Quarantine | None = None
    desk: tuple[str, ...] = ()
    """The options that say what boards there are and where, as --resume needs them again."""

    @classmethod
    def from_options(
        cls,
        *,
        spec_file: Path | None,
        options: Mapping[str, Any],
        root: Path,
        boards_file: Path | None,
        ports: Sequence[str],
        map_file: Path | None = None,
    ) -> Self:
        """Read spec file and options, and check every name.

        Raises:
            ConfigError, ModelError: something is misspelt, unknown or unreadable.
        """
        base = read_spec(spec_file) if spec_file else None
        spec = SweepSpec.from_options(base, **options)
        return cls._expanded(
            spec,
            root=root,
            boards_file=boards_file,
            ports=ports,
            map_file=map_file,
            name=spec_file.stem if spec_file else "sweep" if any(options.values()) else "default",
        )

    @classmethod
    def resume(
        cls,
        run: str,
        *,
        root: Path,
        boards_file: Path | None,
        ports: Sequence[str],
        map_file: Path | None = None,
        retries: int | None = None,
        quarantine: Path | None = None,
        only_failed: bool = False,
    ) -> Self:
        """The plan of a run that was begun before.

        Args:
            retries, quarantine: in place of what the run was begun with.
            only_failed: leave out cases that have no row, or whose lane was not available.

        Raises:
            ConfigError: there is no such run, or what it needs is gone.
        """
        folder = find_run(root, run)
        stored = RunReader.open(folder).provenance
        spec = spec_from_plain(stored.options)
        spec = spec if retries is None else replace(spec, retries=retries)
        spec = spec if quarantine is None else replace(spec, quarantine=quarantine)
        plan = cls._expanded(
            spec,
            root=root,
            boards_file=boards_file,
            ports=ports,
            map_file=map_file,
            name="",
            resumed=folder,
            only_failed=only_failed,
        )
        now = plan._describe(stored.run_id, stored.command)
        for name in _MUST_BE_EQUAL:
            before, after = getattr(stored, name), getattr(now, name)
            if before != after:
                raise ConfigError(
                    f"Run {folder} was begun with {_difference(name, before, after)}.",
                    cause="One table must not mix the two.",
                    fix="Start a new run.",
                )
        return plan

    @classmethod
    def _expanded(
        cls,
        spec: SweepSpec,
        *,
        root: Path,
        boards_file: Path | None,
        ports: Sequence[str],
        map_file: Path | None,
        name: str,
        resumed: Path | None = None,
        only_failed: bool = False,
    ) -> Self:
        boards = load_boards(boards_file)
        own = _own_workloads(spec)
        workloads = dict(WORKLOADS) | {workload.NAME: workload for workload in own.values()}
        known = Known(
            workloads=tuple(WORKLOADS),
            variants=tuple(VARIANTS),
            engines=ENGINES,
            boards={board.name: board.targets for board in boards.values()},
            own={entry: workload.NAME for entry, workload in own.items()},
            as_is=frozenset(name for name, it in workloads.items() if isinstance(it, AsIsWorkload)),
        )
        for identifier in spec.variants:
            if identifier != AS_IS:
                parse_variant(identifier)
        cases = expand(spec, known)
        used = {case.workload for case in cases}
        return cls(
            spec=spec,
            cases=cases,
            boards=boards,
            workloads={key: value for key, value in workloads.items() if key in used},
            ports=_attached(_ports(ports, boards, cases), map_file, cases, boards),
            root=root,
            name=name,
            resumed=resumed,
            only_failed=only_failed,
            quarantine=Quarantine.read(spec.quarantine) if spec.quarantine else None,
            desk=(
                *(("--boards", str(boards_file)) if boards_file else ()),
                *(word for port in ports for word in ("--port", port)),
                *(("--map", str(map_file)) if map_file else ()),
            ),
        )

    def reserve(self, *, wait: bool, on_wait: Callable[[str], None]) -> AbstractContextManager[None]:
        """Have the boards that the pending cases need for this run alone; see desk.reserve."""
        skipped = self.quarantined
        needed = {c.board for c in self.pending() if c.target == HARDWARE and c.id not in skipped}
        wanted = [attachment for name, attachment in self.ports.items() if name in needed]
        return reserve(wanted, wait=wait, on_wait=on_wait)

    def open_run(self, command: Sequence[str]) -> RunWriter:
        """A new folder for the run, or the one that is resumed.

        Raises:
            ConfigError: the results folder or the cache folder cannot be written.
        """
        _writable(cache_dir())
        if self.resumed is not None:
            return RunWriter.reopen(self.resumed)
        provenance = self._describe(new_run_id(self.name, datetime.now(UTC)), command)
        return RunWriter.create(self.root, provenance)

    def _describe(self, run_id: str, command: Sequence[str]) -> Provenance:
        return describe_run(
            run_id=run_id,
            command=command,
            spec=self.spec,
            cases=self.cases,
            boards=self.boards,
            workloads=self.workloads,
        )

    @property
    def jobs(self) -> int:
        """Cases at a time."""
        return self.spec.jobs or os.cpu_count() or 1

    def pending(self) -> tuple[Case, ...]:
        """The cases that are still to run: all of a new run, the unfinished ones of a resumed run."""
        if self.resumed is None:
            return self.cases
        reader, quarantined = RunReader.open(self.resumed), self.quarantined
        if self.only_failed:
            again = {row.case for row in reader.rows if row.status is Status.FAILED}
        else:
            released = {
                row.case
                for row in reader.rows
                if row.reason_code == ReasonCode.QUARANTINED and row.case not in quarantined
            }
            again = {case.id for case in self.cases} - reader.finished | released
        return tuple(case for case in self.cases if case.id in again)

    @property
    def quarantined(self) -> dict[str, str]:
        """Case id -> why it is left out."""
        if self.quarantine is None:
            return {}
        reasons = {case.id: self.quarantine.reason(case.id) for case in self.cases}
        return {case: reason for case, reason in reasons.items() if reason}

    def remarks(self) -> tuple[str, ...]:
        """What a user should know of the plan before it runs, a sentence each."""
        return self.quarantine.unused(case.id for case in self.cases) if self.quarantine else ()

    def run(self, cases: Sequence[Case], writer: RunWriter, progress: Progress) -> Iterator[Result]:
        """Run these cases; each Result is on the disk before it is yielded."""
        bench = Bench(
            boards=self.boards,
            workloads=self.workloads,
            cache=cache_dir(),
            log_folder=_folder(writer.path / "log"),
            models=_folder(writer.path / "models"),
            progress=progress,
            jobs=self.jobs,
            samples=self.spec.samples,
            ports=self.ports,
            retries=self.spec.retries or 0,
            quarantined=self.quarantined,
            check_layers=self.spec.check_layers or False,
        )
        for result in run_sweep(cases, bench):
            writer.add(result)
            yield result

    def seconds_before(self) -> dict[str, float]:
        """Case id -> seconds in the newest run under `root` that has it."""
        found: dict[str, float] = {}
        for run in sorted(self.root.glob("*/run.json"), key=lambda path: path.stat().st_mtime):
            # A damaged run, or one of a newer quantrig, tells nothing; an estimate can do without.
            with suppress(ConfigError):
                found |= {
                    row.case: row.seconds for row in RunReader.open(run.parent).rows if row.status == "ok"
                }
        return {case.id: found[case.id] for case in self.cases if case.id in found}

    @property
    def names_lanes(self) -> bool:
        """Whether the user asked for particular boards or targets."""
        return bool(self.spec.boards or self.spec.targets or self.spec.lanes)


def _own_workloads(spec: SweepSpec) -> dict[str, TrainedWorkload | AsIsWorkload]:
    """The user's own, by the file that the spec names.

    Raises:
        ConfigError: two workloads have one name.
        ModelError: a file is not there, or damaged.
    """
    found: dict[str, TrainedWorkload | AsIsWorkload] = {
        entry: read_workload_file(Path(entry)) for entry in spec.workloads if is_file(entry)
    }
    if spec.model is not None:
        found[str(spec.model)] = model_workload(spec.model, spec.data, spec.metric)
    taken = dict.fromkeys(WORKLOADS, "a built-in workload")
    for entry, workload in found.items():
        if workload.NAME in taken:
            raise ConfigError(
                f"{entry}: NAME {workload.NAME!r} is that of {taken[workload.NAME]}.",
                fix="Give it another NAME.",
            )
        taken[workload.NAME] = entry
    return found


def _difference(name: str, before: Any, after: Any) -> str:
    """`tools: qemu was '7.2', is '8.0'`, or as near to that as the values allow."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        key = next(key for key in (*before, *after) if before.get(key) != after.get(key))
        inner = _difference(key, before.get(key), after.get(key))
        return inner if isinstance(before.get(key), Mapping) else f"other {name}: {inner}"
    if name == "cases":
        return "other cases than its sweep gives now"
    if name == "git_revision":
        return f"another quantrig: it was {before!r}, is {after!r}"
    return f"{name} was {before!r}, is {after!r}"


def _writable(cache: Path) -> None:
    """Make the cache folder if need be; everything of a case goes through it."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=cache).close()
    except OSError as error:
        raise ConfigError(
            f"The cache folder {cache} cannot be written: {error.strerror}.",
            fix="Set QUANTRIG_CACHE to a folder of yours.",
        ) from error


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def _attached(
    given: Mapping[str, str], map_file: Path | None, cases: Sequence[Case], boards: Mapping[str, Board]
) -> dict[str, Attachment]:
    """Where the boards are that the cases need."""
    wanted = sorted({case.board for case in cases if case.target == HARDWARE})
    if not wanted:
        return {}
    map_ = load_map(map_file, boards)
    return resolve(wanted, boards, map_=map_, given=given, plugged=serial_ports())


def _ports(given: Sequence[str], boards: Mapping[str, Board], cases: Sequence[Case]) -> dict[str, str]:
    """BOARD=URL or BOARD=ID options."""
    ports: dict[str, str] = {}
    used = {case.board for case in cases if case.target == HARDWARE}
    for text in given:
        board, equals, url = text.partition("=")
        if not (equals and url and board in boards):
            raise ConfigError(
                f"--port {text!r} names no board of boards.yaml and where it is.",
                fix="Write --port uno=/dev/ttyACM0 (see `quantrig boards`).",
            )
        if board not in used:
            # else an emulator's numbers would be taken for those of the board that was named
            raise ConfigError(
                f"--port {text}: no case of this sweep runs on a real {board}.",
                fix=f"Add `-b {board} -t hardware`, or leave --port out.",
            )
        if board in ports:
            raise ConfigError(
                f"--port names two places for {board}: {ports[board]} and {url}.",
                fix="A sweep has one board of a kind: start another sweep for the other one.",
            )
        ports[board] = url
    return ports
