# SPDX-License-Identifier: Apache-2.0
"""The rules of `quantrig compare --fail-on`: what must not get worse, and by how much."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Self

from harness.errors import ConfigError
from harness.records import Clock
from harness.report.compare import SHARES, SIZES, CaseChange, Change, Comparison, Verdict
from harness.suggest import nearest

#: What `any` stands for.
ANY: Final = (
    "status",
    "mismatches",
    "latency>2%",
    "flash>1%",
    "ram>1%",
    "arena>0",
    "stack>10%",
    "metric<-0.5%",
)
#: A rule of each kind, as an example in messages.
_FORMS: Final = {
    "any": "any",
    "status": "status",
    "mismatches": "mismatches",
    "latency": "latency>2%",
    "wall": "wall>50%",
    "flash": "flash>1%",
    "ram": "ram>64B",
    "arena": "arena>0",
    "stack": "stack>64B",
    "metric": "metric<-0.5%",
    "tflite": "tflite>1%",
}
_PLAIN: Final = ("status", "mismatches")
_RULE: Final = re.compile(
    r"(?P<name>[a-z]+)(?P<sign>>|<-)(?P<number>\d+(?:\.\d+)?)(?P<unit>%|B|KiB)?", re.ASCII
)
_UNITS: Final = {"KiB": 1024, "B": 1}
#: A number as somebody wrote it, and the unit that stands behind it.
_NUMBER: Final = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?(?![\d.eE]))\s*(%|[A-Za-z]+\b)?", re.ASCII)
#: Units that people write -> ours.
_SPELLINGS: Final = {"": "", "%": "%", "b": "B", "kib": "KiB", "kb": "KiB", "k": "KiB"}
#: Percentages of a metric are compared to this many decimals: 0.98 - 0.975 is no more than half a point.
_METRIC_DECIMALS: Final = 9


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A bound on how much worse a number may get. `text` is how the user wrote it."""

    text: str
    name: str
    limit: Fraction = Fraction(0)
    """In percent (points for a share), else in the number's unit."""
    percent: bool = False

    def applies(self, change: Change) -> bool:
        """Whether the rule is about this number. Wall time is a matter of its own rule only."""
        if self.name in ("latency", "wall"):
            return change.quantity == "latency" and (self.name == "wall") == (change.clock is Clock.WALL)
        return change.quantity == self.name

    def broken_by(self, change: Change) -> bool:
        """Whether the number got worse, beyond its tolerance and beyond the limit."""
        if change.verdict is not Verdict.WORSE or not self.applies(change):
            return False
        worse_by = abs(_exact(change.new) - _exact(change.base))
        if not self.percent:
            return worse_by > self.limit
        if change.metric in SHARES:
            amount = worse_by * 100
        elif not change.base:
            return True
        else:
            amount = worse_by * 100 / abs(_exact(change.base))
        return (round(amount, _METRIC_DECIMALS) if change.metric else amount) > self.limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Breach:
    """A broken rule; `change` is None for the status."""

    rule: Rule
    case: CaseChange
    change: Change | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """A comparison, and what a set of rules says about it."""

    comparison: Comparison
    rules: tuple[Rule, ...]
    breaches: tuple[Breach, ...]
    unchecked: tuple[tuple[Rule, int], ...]
    """Rules that could not be applied everywhere, with the number of cases."""

    @classmethod
    def of(cls, comparison: Comparison, rules: tuple[Rule, ...]) -> Self:
        return cls(
            comparison=comparison,
            rules=rules,
            breaches=tuple(_breaches(comparison, rules)),
            unchecked=tuple(_unchecked(comparison, rules)),
        )


def parse_rules(texts: Sequence[str]) -> tuple[Rule, ...]:
    """Rules of the command line, each text one or several separated by commas; none twice.

    Raises:
        ConfigError: not a rule; names the nearest right form.
    """
    rules: dict[str, Rule] = {}
    for part in ",".join(texts).split(",") if texts else ():
        text = part.strip()
        for one in ANY if text == "any" else (text,):
            rules.setdefault(one, _parse(one))
    return tuple(rules.values())


def _parse(text: str) -> Rule:
    if text in _PLAIN:
        return Rule(text=text, name=text)
    match = _RULE.fullmatch(text)
    if match is None or not _sound(match):
        raise ConfigError(f"--fail-on {text!r} is not a rule.", fix=_advice(text))
    unit = match["unit"] or ""
    return Rule(
        text=text,
        name=match["name"],
        limit=Fraction(match["number"]) * _UNITS.get(unit, 1),
        percent=unit == "%",
    )


def _sound(match: re.Match[str]) -> bool:
    name, unit = match["name"], match["unit"]
    if name not in _FORMS or name in ("any", "status"):
        return False
    if unit in _UNITS and name not in SIZES:
        return False
    if name == "mismatches" and unit:
        return False
    return (match["sign"] == "<-") == (name == "metric")


def _advice(text: str) -> str:
    """The nearest right form of a wrong rule, with the user's number where it has one."""
    name, number, unit = _pieces(text)
    if name not in _FORMS:
        hint = nearest(name or text, _FORMS)
        name = next((known for known in _FORMS if hint == f"Did you mean {known!r}?"), "")
        if not name:
            return f"Rules: {', '.join(_FORMS.values())}."
    form = _FORMS[name]
    if number and form != name:
        right_unit = unit if unit == "%" or (unit in _UNITS and name in SIZES) else ""
        sign = "<-" if name == "metric" else ">"
        form = f"{name}{sign}{number}{right_unit}"
    quote = "" if number or form == name else " Quote it: in a shell, > and < redirect."
    return f"Did you mean '{form}'?{quote}"


def _pieces(text: str) -> tuple[str, str, str]:
    """Name, number and unit as far as somebody wrote them, and we know the unit."""
    name = re.match(r"[A-Za-z]*", text)
    rest = text[name.end() :] if name else text
    number = _NUMBER.search(rest)
    unit = _SPELLINGS.get((number[2] or "").lower()) if number is not None else None
    if number is None or unit is None:
        return (name[0].lower() if name else ""), "", ""
    return (name[0].lower() if name else ""), number[1], unit


def _breaches(comparison: Comparison, rules: Sequence[Rule]) -> Iterator[Breach]:
    """Every rule that a case breaks, by case."""
    for case in comparison.cases:
        for rule in rules:
            if rule.name == "status":
                if case.status in (Verdict.WORSE, Verdict.GONE):
                    yield Breach(rule=rule, case=case, change=None)
                continue
            yield from (
                Breach(rule=rule, case=case, change=change)
                for change in case.changes
                if rule.broken_by(change)
            )


def _unchecked(comparison: Comparison, rules: Sequence[Rule]) -> Iterator[tuple[Rule, int]]:
    """Rules about numbers of BASE that nothing could be compared with, and in how many cases: they did not
    pass there."""
    for rule in rules:
        count = sum(
            rule.applies(change)
            for case in comparison.cases
            for change in case.changes
            if change.verdict is Verdict.NOT_COMPARABLE and change.base is not None
        )
        if count:
            yield rule, count


def _exact(value: float | None) -> Fraction:
    # The shortest text that reads back as the float: 0.98 is meant as 98 hundredths.
    return Fraction(str(value))
