# SPDX-License-Identifier: Apache-2.0
"""What to run: the specification of a sweep, and the cases that it expands to.

Whatever a user gave (options, a spec file, a stored run) becomes a `SweepSpec`, which checks itself: behind
it nobody checks names again. `expand` joins the spec with what this installation knows (`Known`), so that
this module depends on no board, workload or recipe.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Self

from harness.errors import ConfigError
from harness.suggest import nearest

DEFAULT_WORKLOADS: Final = ("digits", "gesture", "sine")
DEFAULT_VARIANTS: Final = ("float32", "ptq-int8", "qat-int8")
DEFAULT_ENGINES: Final = ("aot",)
HARDWARE: Final = "hardware"
#: The one variant of a finished .tflite: nothing is trained, nothing quantized.
AS_IS: Final = "as-is"

# Letters and digits with single separators inside: such names can hold neither a glob, nor a path, nor
# the "__" that joins them in file names, so that two cases never share a file.
_NAME: Final = r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*"
_OPTION: Final = rf"{_NAME}={_NAME}"
_VARIANT: Final = rf"{_NAME}(?:\+{_OPTION})*"
_CASE: Final = re.compile(rf"({_NAME})/({_VARIANT})/({_NAME})@({_NAME}):({_NAME})")
_CASE_FORM: Final = "A case is workload/variant/engine@board:target."
_LANE: Final = re.compile(rf"({_NAME}):({_NAME})")
# A file name may have 255 bytes; log and lock suffixes need some of them.
_MAX_ID_CHARS: Final = 200
#: What has failed so often does not pass.
MAX_RETRIES: Final = 20


def canonical_variant(text: str) -> str:
    """A variant with its options sorted by key, so that one variant has one spelling.

    Raises:
        ConfigError: not `name` or `name+key=value+...`, or a key twice.
    """
    if not re.fullmatch(_VARIANT, text):
        raise ConfigError(f"{text!r} is not a variant.", fix="Write it as ptq-int8 or ptq-int8+calib=50.")
    name, *options = text.split("+")
    keys = [option.split("=")[0] for option in options]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(f"Variant {text!r} gives option {key!r} twice.", fix="Keep one of them.")
    return "+".join([name, *sorted(options)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """Where a firmware runs: a board, and the target that stands for it. Written `uno:simavr`."""

    board: str
    target: str

    @property
    def id(self) -> str:
        return f"{self.board}:{self.target}"

    @classmethod
    def parse(cls, text: str) -> Self:
        match = _LANE.fullmatch(text)
        if match is None:
            raise ConfigError(f"{text!r} is not a lane.", fix="Write board:target, as uno:simavr.")
        return cls(board=match[1], target=match[2])


DEFAULT_LANES: Final = (
    Lane(board="native", target="native"),
    Lane(board="uno", target="simavr"),
    Lane(board="stm32f4", target="qemu"),
    Lane(board="esp32", target="qemu"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One firmware to build and measure. `id` selects it, heads its log and joins its files."""

    workload: str
    variant: str
    """With its options, sorted by key: `ptq-int8+calib=50`."""
    engine: str
    board: str
    target: str

    def __post_init__(self) -> None:
        if not _CASE.fullmatch(self.id):
            raise ConfigError(f"{self.id!r} is not a case.", fix=_CASE_FORM)
        if canonical_variant(self.variant) != self.variant:
            raise ConfigError(f"The options of {self.variant!r} are not sorted.", fix="Sort them by key.")
        if len(self.id) > _MAX_ID_CHARS:
            raise ConfigError(
                f"Case {self.id[:40]}... has {len(self.id)} characters.",
                cause=f"It names files, which end at {_MAX_ID_CHARS}.",
                fix="Shorten the model's file name or the variant's options.",
            )

    @property
    def id(self) -> str:
        return f"{self.workload}/{self.variant}/{self.engine}@{self.board}:{self.target}"

    @property
    def slug(self) -> str:
        """`id` as a file name; different cases have different slugs."""
        return re.sub(r"[/@:]", "__", self.id)

    @property
    def lane(self) -> Lane:
        return Lane(board=self.board, target=self.target)

    @property
    def variant_name(self) -> str:
        return self.variant.split("+")[0]

    @property
    def options_text(self) -> str:
        """The column `options`: `calib=50+seed=1`, or empty."""
        return self.variant.partition("+")[2]

    @property
    def options(self) -> Mapping[str, str]:
        return dict(option.split("=") for option in self.options_text.split("+") if option)

    @classmethod
    def parse(cls, text: str) -> Self:
        match = _CASE.fullmatch(text)
        if match is None:
            raise ConfigError(f"{text!r} is not a case.", fix=_CASE_FORM)
        workload, variant, engine, board, target = match.groups()
        return cls(
            workload=workload, variant=canonical_variant(variant), engine=engine, board=board, target=target
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What this installation offers. `boards` maps a board's name to its targets, `hardware` included."""

    workloads: tuple[str, ...]
    variants: tuple[str, ...]
    engines: tuple[str, ...]
    boards: Mapping[str, tuple[str, ...]]
    own: Mapping[str, str] = field(default_factory=dict)
    """The user's files, as the spec writes them -> the names of the workloads that they become."""
    as_is: frozenset[str] = frozenset()
    """Workloads whose model is finished: their one variant is AS_IS."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepSpec:
    """A sweep as its user described it. Empty `boards`, `targets` and `lanes` mean the default lanes.

    Raises:
        ConfigError: an illegal name, an entry twice, or fields that contradict each other.
    """

    workloads: tuple[str, ...] = DEFAULT_WORKLOADS
    """Names, and Python files by their absolute path."""
    variants: tuple[str, ...] = DEFAULT_VARIANTS
    engines: tuple[str, ...] = DEFAULT_ENGINES
    boards: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    lanes: tuple[Lane, ...] = ()
    select: tuple[str, ...] = ()
    """Globs over case ids; a case that matches any of them is in. None: all are in."""
    samples: int | None = None
    """At most so many samples of each test set; None: the whole of it."""
    jobs: int | None = None
    """Cases at a time; None: as many as the machine has cores."""
    model: Path | None = None
    """The user's own .keras, .h5 or .tflite, absolute."""
    data: Path | None = None
    metric: str | None = None
    """Of the user's model; None: as its targets suggest."""
    retries: int | None = None
    """How often a case is tried again whose failure may pass; None: never."""
    quarantine: Path | None = None
    """A file of cases to leave out, absolute."""
    check_layers: bool | None = None
    """Compare every layer with the oracle's, on a firmware of its own; None: no."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "variants", tuple(canonical_variant(text) for text in self.variants))
        for key in LISTS:
            _check_list(key, getattr(self, key))
        for key in ("samples", "jobs"):
            number = getattr(self, key)
            if number is not None and (type(number) is not int or number < 1):
                what = f"{key}: {number!r} is not a positive number."
                raise ConfigError(what, fix="Give a whole number above 0.")
        if self.retries is not None and (
            type(self.retries) is not int or not 0 <= self.retries <= MAX_RETRIES
        ):
            what = f"retries: {self.retries!r} is not a number from 0 to {MAX_RETRIES}."
            raise ConfigError(what, fix="Give a small whole number.")
        if self.lanes and (self.boards or self.targets):
            raise ConfigError("lanes, and also boards or targets.", fix="Give lanes alone, or those two.")
        for key in ("data", "metric"):
            if getattr(self, key) is not None and self.model is None:
                raise ConfigError(f"{key} without a model.", fix=f"Name the model that the {key} belongs to.")
        if not self.workloads and self.model is None:
            raise ConfigError("workloads: the list is empty.", fix="Name at least one, or give a model.")

    @classmethod
    def from_options(cls, base: SweepSpec | None = None, **given: Any) -> SweepSpec:
        """The spec of a command line: what is given replaces what `base` (the YAML file) says.

        `given` has the fields' names; None and empty sequences count as not given. `lanes` are texts.
        A board or target replaces the base's lanes; a model alone replaces the default workloads.
        """
        values = {key: parse_field(key, value) for key, value in given.items() if value not in (None, (), [])}
        start = base or cls()
        if "model" in values and "workloads" not in values and start.workloads == DEFAULT_WORKLOADS:
            values["workloads"] = ()
        if base is not None and ("boards" in values or "targets" in values):
            values.setdefault("lanes", ())
        elif base is not None and "lanes" in values:
            values |= {"boards": (), "targets": ()}
        return replace(start, **values)


KEYS: Final = tuple(field.name for field in fields(SweepSpec))
LISTS: Final = ("workloads", "variants", "engines", "boards", "targets", "lanes", "select")
PATHS: Final = ("model", "data", "quarantine")
TEXTS: Final = ("metric",)
NUMBERS: Final = ("samples", "jobs", "retries")
FLAGS: Final = ("check_layers",)


def check_key(key: str) -> None:
    """Raise the ConfigError that suggests a key, unless `key` is a field of `SweepSpec`."""
    if key not in KEYS:
        raise ConfigError(f"Unknown key {key!r}.", fix=nearest(key, KEYS))


def parse_field(key: str, value: Any) -> Any:
    """A field of `SweepSpec` from a value of the right type: lanes and paths may be texts.

    Raises:
        ConfigError: no such field, or not a lane.
    """
    check_key(key)
    if key == "lanes":
        return tuple(lane if isinstance(lane, Lane) else Lane.parse(lane) for lane in value)
    if key in PATHS:
        return Path(value).expanduser().absolute()
    if key == "workloads":
        return tuple(_workload(text) for text in value)
    return tuple(value) if key in LISTS else value


def is_file(workload: str) -> bool:
    """Whether an entry of `workloads` is a Python file, and no name."""
    return workload.endswith(".py")


def _workload(text: str) -> str:
    return str(Path(text).expanduser().absolute()) if is_file(text) else text


def _check_list(key: str, values: tuple[Any, ...]) -> None:
    if key in ("variants", "engines") and not values:
        raise ConfigError(f"{key}: the list is empty.", fix="Name at least one, or leave the key out.")
    for value in values:
        if values.count(value) > 1:
            shown = value.id if isinstance(value, Lane) else value
            raise ConfigError(f"{key}: {shown!r} is there twice.", fix="Keep one of them.")
        if key == "select" and not value:
            raise ConfigError("select: an empty glob selects nothing.", fix="Remove it.")
        if key == "workloads" and is_file(value):
            continue
        if key in ("workloads", "engines", "boards", "targets") and not re.fullmatch(_NAME, value):
            raise ConfigError(
                f"{key}: {value!r} is not a name.", fix="Use letters, digits, single . _ and -."
            )


def expand(spec: SweepSpec, known: Known) -> tuple[Case, ...]:
    """All cases of the spec: by workload, then variant, engine and lane, in the order they were named.

    Raises:
        ConfigError: a name that `known` lacks, boards and targets that do not go together, a glob that
            selects nothing.
    """
    named = (*spec.workloads, *((str(spec.model),) if spec.model is not None else ()))
    workloads = tuple(known.own.get(entry, entry) for entry in named)
    _all_known("workload", workloads, {*known.workloads, *known.own.values()})
    _all_known("variant", (text.split("+")[0] for text in spec.variants), (*known.variants, AS_IS))
    _check_as_is(spec, workloads, known)
    _all_known("engine", spec.engines, known.engines)
    cases = tuple(
        Case(workload=workload, variant=variant, engine=engine, board=lane.board, target=lane.target)
        for workload in workloads
        for variant in ((AS_IS,) if workload in known.as_is else spec.variants)
        if (variant == AS_IS) == (workload in known.as_is)
        for engine in spec.engines
        for lane in _lanes(spec, known)
    )
    return select(cases, spec.select)


def _check_as_is(spec: SweepSpec, workloads: Sequence[str], known: Known) -> None:
    """Each variant that was asked for has a workload that it applies to, and each workload a variant."""
    finished = [name for name in workloads if name in known.as_is]
    recipes = [text for text in spec.variants if text != AS_IS]
    asked = spec.variants != DEFAULT_VARIANTS
    if asked and recipes and workloads and len(finished) == len(workloads):
        raise ConfigError(
            f"Variant {recipes[0]!r} does not apply to {finished[0]}.",
            cause="A .tflite is finished: only a trained Keras model can be quantized.",
            fix=f"Leave --variant out or give {AS_IS}; or give the .keras file that it was made from.",
        )
    trained = [name for name in workloads if name not in known.as_is]
    if trained and not recipes:
        raise ConfigError(
            f"Variant {AS_IS!r} does not apply to {trained[0]}.",
            cause="It is that of a .tflite, which is used as it is.",
            fix=f"Choose one of {', '.join(known.variants)}.",
        )


def select(cases: Sequence[Case], globs: Sequence[str]) -> tuple[Case, ...]:
    """The cases whose id matches any of the globs, in their order; all of them without globs.

    Raises:
        ConfigError: a glob that matches no case; it lists ids that come near.
    """
    ids = [case.id for case in cases]
    chosen: set[str] = set()
    for glob in globs:
        matched = [name for name in ids if fnmatch.fnmatchcase(name, glob)]
        if not matched:
            close = difflib.get_close_matches(glob, ids, n=3, cutoff=0.3) or ids[:3]
            raise ConfigError(
                f"--select {glob!r} matches none of the {len(ids)} cases.",
                fix=f"Near it: {', '.join(close)}. '*' stands for any characters.",
            )
        chosen.update(matched)
    return tuple(case for case in cases if not globs or case.id in chosen)


def _all_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    choices = set(known)
    for name in names:
        if name not in choices:
            raise ConfigError(f"Unknown {what} {name!r}.", fix=nearest(name, choices))


def _lanes(spec: SweepSpec, known: Known) -> tuple[Lane, ...]:
    targets_of = known.boards
    _all_known("board", (*spec.boards, *(lane.board for lane in spec.lanes)), targets_of)
    all_targets = {target for targets in targets_of.values() for target in targets}
    _all_known("target", (*spec.targets, *(lane.target for lane in spec.lanes)), all_targets)
    for lane in spec.lanes:
        if lane.target not in targets_of[lane.board]:
            what = f"Board {lane.board!r} does not run on target {lane.target!r}."
            raise ConfigError(what, fix=f"It has: {', '.join(targets_of[lane.board])}.")
    if spec.lanes:
        return spec.lanes
    default = tuple(lane for lane in DEFAULT_LANES if lane.target in targets_of.get(lane.board, ()))
    if not (spec.boards or spec.targets):
        return default
    lanes = tuple(
        Lane(board=board, target=target)
        for board in spec.boards or dict.fromkeys(lane.board for lane in default)
        # its first emulator: the others run the same firmware and are asked for by name
        for target in spec.targets or [name for name in targets_of[board] if name != HARDWARE][:1]
        if target in targets_of[board]
    )
    for board in spec.boards:
        if all(lane.board != board for lane in lanes):
            asked = f"runs on none of: {', '.join(spec.targets)}" if spec.targets else "has no emulator"
            has = ", ".join(targets_of[board]) or "nothing"
            raise ConfigError(f"Board {board!r} {asked}.", fix=f"It runs on {has}: choose with --target.")
    for target in spec.targets:
        if all(lane.target != target for lane in lanes):
            able = ", ".join(board for board, targets in targets_of.items() if target in targets)
            among = "boards named" if spec.boards else "default boards"
            raise ConfigError(f"None of the {among} runs on {target!r}.", fix=f"Choose with --board: {able}.")
    return lanes
