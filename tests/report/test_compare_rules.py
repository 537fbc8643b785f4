# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.report.compare_rules import ANY, parse_rules
from harness.rows import Row
from tests.report.compared_rows import ESP32, NATIVE, UNO, both, broken, change


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 4000))
def test_a_size_rule_breaks_exactly_beyond_its_limit(base: int, new: int, hundredths: int) -> None:
    """Cross-multiplied integers decide here: no division, no floating point."""
    rows = both(UNO, "flash_bytes", base, new)
    percent = f"flash>{hundredths / 100}%"
    assert bool(broken(*rows, percent)) == ((new - base) * 10_000 > hundredths * base)
    assert bool(broken(*rows, f"flash>{hundredths}B")) == (new - base > hundredths)


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 4000), st.sampled_from([UNO, ESP32]))
def test_a_latency_rule_breaks_exactly_beyond_limit_and_tolerance(
    base: int, new: int, hundredths: int, like: Row
) -> None:
    rows = both(like, "latency_ticks_median", float(base), float(new))
    real = new - base > (1 if like is ESP32 else 0)
    percent = f"latency>{hundredths / 100}%"
    assert bool(broken(*rows, percent)) == (real and (new - base) * 10_000 > hundredths * base)
    assert bool(broken(*rows, f"latency>{hundredths}")) == (real and new - base > hundredths)


@given(st.integers(1, 500), st.data(), st.integers(0, 1000))
def test_an_accuracy_rule_counts_points(samples: int, data: st.DataObject, tenths: int) -> None:
    base, new = (data.draw(st.integers(0, samples)) for _ in range(2))
    rows = both(UNO, "metric_value", base / samples, new / samples)
    rule = f"metric<-{tenths / 10}%"
    assert bool(broken(*rows, rule)) == ((base - new) * 1000 > tenths * samples)


@pytest.mark.parametrize("samples", [200, 360, 600, 1000, 1800])
def test_exactly_half_a_point_is_no_more_than_half_a_point(samples: int) -> None:
    """Whatever the floats of both shares round to."""
    half = Fraction(samples, 200)
    for right in range(-(-samples // 200) + 1, samples + 1):
        rows = both(UNO, "metric_value", right / samples, float((right - half) / samples))
        assert not broken(*rows, "metric<-0.5%")


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_percentages_agree_with_exact_fractions(base: int, new: int) -> None:
    assume(base != new)
    found = change(*both(UNO, "ram_static_bytes", base, new), "ram")
    exact = Fraction(new - base, base) * 100
    assert found.difference == new - base
    assert found.percent == pytest.approx(float(exact), rel=1e-12)


def test_more_from_nothing_breaks_any_percentage() -> None:
    rows = both(UNO, "arena_bytes", 0, 1)
    assert broken(*rows, "arena>1000%") == ["arena>1000%"]
    assert broken(rows[1], rows[0], "arena>0") == []


def test_mae_rules_are_relative_and_absolute() -> None:
    rows = both(replace(UNO, metric="mae"), "metric_value", 0.1, 0.101)
    assert broken(*rows, "metric<-0.9%", "metric<-1%", "metric<-0.0009", "metric<-0.001") == [
        "metric<-0.9%",
        "metric<-0.0009",
    ]


def test_wall_time_breaks_only_the_rule_that_names_it() -> None:
    slow = replace(NATIVE, latency_ticks_median=(NATIVE.latency_ticks_median or 0) * 3)
    assert broken(NATIVE, slow, "latency>0", "any") == []
    assert broken(NATIVE, slow, "wall>150%", "wall>250%") == ["wall>150%"]
    cycles = replace(UNO, latency_ticks_median=(UNO.latency_ticks_median or 0) * 3)
    assert broken(UNO, cycles, "wall>0") == []


# --- rules as text ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("latency", "'latency>2%'"),
        ("latncy>3%", "'latency>3%'"),
        ("latency>=2%", "'latency>2%'"),
        ("latency<2%", "'latency>2%'"),
        ("latency>5ms", "'latency>2%'"),
        ("latency>\u0663%", "'latency>2%'"),
        ("ram>1MB", "'ram>64B'"),
        ("ram>1e3", "'ram>64B'"),
        ("ram>2kB", "'ram>2KiB'"),
        ("LATENCY>2%", "'latency>2%'"),
        ("flash > 1 %", "'flash>1%'"),
        ("ram>64b", "'ram>64B'"),
        ("ram>64kib", "'ram>64KiB'"),
        ("ram>-64B", "'ram>64B'"),
        ("metric>0.5%", "'metric<-0.5%'"),
        ("metric<0.5%", "'metric<-0.5%'"),
        ("latency>64B", "'latency>64'"),
        ("statsu", "'status'"),
        ("status>0", "'status'"),
        ("mismatches>2%", "'mismatches'"),
        ("", "latency>2%, "),
        ("frobnicate", "metric<-0.5%, "),
        ("latency>2%,", "latency>2%, "),
    ],
)
def test_a_malformed_rule_is_refused_with_the_nearest_right_form(text: str, right: str) -> None:
    with pytest.raises(ConfigError, match="is not a rule") as caught:
        parse_rules([text])
    assert right in caught.value.fix
    suggested = re.search(r"Did you mean '([^']+)'", caught.value.fix)
    if suggested:
        parse_rules([suggested[1]])


@given(st.text(alphabet="latencyflshrmeic<>-0123456789.%BKi, ", max_size=14))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rules = parse_rules([text])
    except ConfigError:
        return
    assert rules


def test_rules_come_repeated_in_lists_and_once_each() -> None:
    rules = parse_rules(["latency>2%, flash>0", "any", "flash>0", "ram>1.5KiB"])
    assert [rule.text for rule in rules][:2] == ["latency>2%", "flash>0"]
    assert {rule.text for rule in rules} == {*ANY, "flash>0", "ram>1.5KiB"}
    assert rules[-1].limit == 1536
    assert parse_rules([]) == ()
