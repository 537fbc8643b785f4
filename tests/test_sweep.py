# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import fnmatch
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.sweep import (
    DEFAULT_LANES,
    Case,
    Known,
    Lane,
    SweepSpec,
    canonical_variant,
    expand,
    select,
)

KNOWN = Known(
    workloads=("digits", "gesture", "sine"),
    variants=("float32", "ptq-int8", "qat-int8"),
    engines=("aot",),
    boards={
        "native": ("native",),
        "uno": ("simavr", "hardware"),
        "stm32f4": ("qemu", "renode", "hardware"),
        "esp32": ("qemu",),
        "pico": ("hardware",),
        "mps2": ("qemu",),
    },
)

names = st.from_regex(r"[A-Za-z0-9]{1,6}([._-][A-Za-z0-9]{1,4}){0,2}", fullmatch=True)
options = st.dictionaries(names, names, max_size=3)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    tail = "".join(sorted(f"+{key}={value}" for key, value in draw(options).items()))
    return Case(
        workload=draw(names),
        variant=canonical_variant(draw(names) + tail),
        engine=draw(names),
        board=draw(names),
        target=draw(names),
    )


@given(cases())
def test_an_id_reads_back_as_its_case(case: Case) -> None:
    assert Case.parse(case.id) == case
    assert case.lane.id == case.id.partition("@")[2]


@given(st.lists(cases(), min_size=2, max_size=6, unique_by=lambda case: case.id))
def test_slugs_are_distinct_file_names(many: list[Case]) -> None:
    slugs = [case.slug for case in many]
    assert len(set(slugs)) == len(many)
    assert all(re.fullmatch(r"[A-Za-z0-9._+=-]+", slug) and not slug.startswith(".") for slug in slugs)


@given(st.text(alphabet="ab/@:+=._-*[ \n", max_size=30))
def test_any_text_is_a_case_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        case = Case.parse(text)
        assert Case.parse(case.id) == case


def test_a_case_of_the_design() -> None:
    case = Case.parse("digits/ptq-int8+seed=1+calib=50/aot@uno:simavr")
    assert case.id == "digits/ptq-int8+calib=50+seed=1/aot@uno:simavr"
    assert case.slug == "digits__ptq-int8+calib=50+seed=1__aot__uno__simavr"
    assert (case.variant_name, case.options_text) == ("ptq-int8", "calib=50+seed=1")
    assert case.options == {"calib": "50", "seed": "1"}
    assert Case.parse("digits/float32/aot@uno:simavr").options == {}


@pytest.mark.parametrize(
    "text", ["", "a+", "a+b", "a+b=", "a+b=1+b=2", "a b", "a__b", "-a", "a+b=x/y", "a\n"]
)
def test_bad_variants(text: str) -> None:
    with pytest.raises(ConfigError):
        canonical_variant(text)


def test_a_case_cannot_be_built_wrong() -> None:
    good = {"workload": "w", "variant": "v", "engine": "e", "board": "b", "target": "t"}
    bad = ("a/b", "", "a__b", "ü", "../x")
    for key, text in itertools.product(good, bad):
        with pytest.raises(ConfigError):
            Case(**good | {key: text})
    with pytest.raises(ConfigError, match="not sorted"):
        Case(**good | {"variant": "v+b=1+a=1"})
    with pytest.raises(ConfigError, match="characters"):
        Case(**good | {"workload": "w" * 250})


@given(st.lists(cases(), min_size=1, max_size=8, unique_by=lambda case: case.id), st.data())
def test_select_keeps_what_a_glob_matches_in_order(many: list[Case], data: st.DataObject) -> None:
    part = data.draw(st.sampled_from(many))
    glob = data.draw(
        st.sampled_from([part.id, f"{part.workload}/*", f"*@{part.board}:*", "*", f"*{part.target}"])
    )
    chosen = select(many, [glob])
    assert part in chosen
    assert list(chosen) == [case for case in many if fnmatch.fnmatchcase(case.id, glob)]
    assert select(many, []) == tuple(many)
    assert set(select(many, [glob, "*"])) == set(many)


def test_a_glob_without_a_match_names_what_is_near() -> None:
    with pytest.raises(ConfigError, match=r"digist.*matches none of the 36.*digits/float32/aot@uno:simavr"):
        expand(SweepSpec(select=("*", "digist/float32/aot@uno:simavr")), KNOWN)


def test_the_default_sweep_has_36_cases_in_planned_order() -> None:
    cases = expand(SweepSpec(), KNOWN)
    assert len(cases) == len(set(cases)) == 36
    assert [case.id for case in cases[:5]] == [
        "digits/float32/aot@native:native",
        "digits/float32/aot@uno:simavr",
        "digits/float32/aot@stm32f4:qemu",
        "digits/float32/aot@esp32:qemu",
        "digits/ptq-int8/aot@native:native",
    ]


@pytest.mark.parametrize(
    ("given", "lanes"),
    [
        ({}, [lane.id for lane in DEFAULT_LANES]),
        ({"boards": ["uno"]}, ["uno:simavr"]),
        ({"boards": ["stm32f4"]}, ["stm32f4:qemu"]),
        ({"boards": ["stm32f4"], "targets": ["renode"]}, ["stm32f4:renode"]),
        ({"targets": ["qemu"]}, ["stm32f4:qemu", "esp32:qemu"]),
        ({"targets": ["hardware"]}, ["uno:hardware", "stm32f4:hardware"]),
        ({"boards": ["stm32f4", "uno"], "targets": ["qemu", "simavr"]}, ["stm32f4:qemu", "uno:simavr"]),
        ({"boards": ["pico"], "targets": ["hardware"]}, ["pico:hardware"]),
        ({"lanes": ["mps2:qemu", "uno:hardware"]}, ["mps2:qemu", "uno:hardware"]),
    ],
)
def test_lanes(given: dict[str, Any], lanes: list[str]) -> None:
    cases = expand(SweepSpec.from_options(workloads=["sine"], variants=["float32"], **given), KNOWN)
    assert [case.lane.id for case in cases] == lanes


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"workloads": ["digist"]}, "Unknown workload 'digist'. Did you mean 'digits'?"),
        ({"workloads": ["xyz"]}, "Unknown workload 'xyz'. Known: digits, gesture, sine."),
        ({"variants": ["ptq-int"]}, "Unknown variant 'ptq-int'. Did you mean 'ptq-int8'?"),
        ({"variants": ["qtp+calib=1"]}, "Unknown variant 'qtp'."),
        ({"engines": ["tflm"]}, "Unknown engine 'tflm'. Known: aot."),
        ({"boards": ["unno"]}, "Unknown board 'unno'. Did you mean 'uno'?"),
        ({"targets": ["simavrr"]}, "Unknown target 'simavrr'. Did you mean 'simavr'?"),
        ({"lanes": ["uno:qemu"]}, "Board 'uno' does not run on target 'qemu'. It has: simavr, hardware."),
        ({"lanes": ["unp:simavr"]}, "Unknown board 'unp'. Did you mean 'uno'?"),
        ({"boards": ["pico"]}, "Board 'pico' has no emulator. It runs on hardware: choose with --target."),
        ({"boards": ["uno", "mps2"], "targets": ["qemu"]}, "Board 'uno' runs on none of: qemu."),
        ({"boards": ["uno"], "targets": ["simavr", "qemu"]}, "None of the boards named runs on 'qemu'."),
    ],
)
def test_what_is_not_known_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        expand(SweepSpec.from_options(**given), KNOWN)
    assert message in str(error.value)


def test_a_target_only_of_other_boards_names_them() -> None:
    known = Known(**{**_plain(KNOWN), "boards": {**KNOWN.boards, "qube": ("spike",)}})
    with pytest.raises(ConfigError, match=r"None of the default boards runs on 'spike'.*--board: qube"):
        expand(SweepSpec(targets=("spike",)), known)


def _plain(known: Known) -> dict[str, Any]:
    return {name: getattr(known, name) for name in ("workloads", "variants", "engines", "boards")}


def test_the_users_model_is_a_workload_of_its_own() -> None:
    known = Known(**_plain(KNOWN), own={str(Path.cwd() / "net.keras"): "net-0123abcd"})
    spec = SweepSpec.from_options(model="net.keras")
    assert spec.model == Path.cwd() / "net.keras"
    assert {case.workload for case in expand(spec, known)} == {"net-0123abcd"}
    both = SweepSpec.from_options(model="net.keras", workloads=["sine"])
    assert [case.workload for case in expand(both, known)][::12] == ["sine", "net-0123abcd"]


def _finished(name: str = "net-0123abcd") -> Known:
    return Known(**_plain(KNOWN), own={str(Path.cwd() / "net.tflite"): name}, as_is=frozenset({name}))


def test_a_tflite_has_one_variant_and_the_others_have_theirs() -> None:
    alone = expand(SweepSpec.from_options(model="net.tflite", lanes=["uno:simavr"]), _finished())
    assert [case.id for case in alone] == ["net-0123abcd/as-is/aot@uno:simavr"]
    both = SweepSpec.from_options(model="net.tflite", workloads=["sine"], lanes=["uno:simavr"])
    assert [(case.workload, case.variant) for case in expand(both, _finished())] == [
        *(("sine", name) for name in ("float32", "ptq-int8", "qat-int8")),
        ("net-0123abcd", "as-is"),
    ]
    named = SweepSpec.from_options(both, variants=["ptq-int8", "as-is"])
    assert [case.variant for case in expand(named, _finished())] == ["ptq-int8", "as-is"]


def test_a_recipe_does_not_apply_to_a_tflite() -> None:
    for variants in (["ptq-int8"], ["as-is", "ptq-int8"]):
        spec = SweepSpec.from_options(model="net.tflite", variants=variants)
        with pytest.raises(ConfigError, match=r"does not apply to net-0123abcd.*finished.*\.keras"):
            expand(spec, _finished())
    with pytest.raises(ConfigError, match=r"'as-is' does not apply to sine.*Choose one of float32"):
        expand(SweepSpec(workloads=("sine",), variants=("as-is",)), KNOWN)


def test_a_python_file_is_a_workload() -> None:
    spec = SweepSpec.from_options(workloads=["mine.py", "sine"], lanes=["uno:simavr"], variants=["float32"])
    assert spec.workloads == (str(Path.cwd() / "mine.py"), "sine")
    known = Known(**_plain(KNOWN), own={str(Path.cwd() / "mine.py"): "mine"})
    assert [case.workload for case in expand(spec, known)] == ["mine", "sine"]


def test_a_metric_belongs_to_a_model() -> None:
    with pytest.raises(ConfigError, match="metric without a model"):
        SweepSpec(metric="auc")


def test_options_replace_what_the_file_says() -> None:
    base = SweepSpec(lanes=(Lane.parse("uno:simavr"),), samples=5, workloads=("sine",))
    spec = SweepSpec.from_options(base, boards=["stm32f4"], variants=["float32"], samples=None, workloads=())
    assert (spec.boards, spec.lanes, spec.samples) == (("stm32f4",), (), 5)
    assert (spec.workloads, spec.variants) == (("sine",), ("float32",))
    back = SweepSpec.from_options(spec, lanes=["native:native"])
    assert (back.boards, [lane.id for lane in back.lanes]) == ((), ["native:native"])
    with pytest.raises(ConfigError, match="lanes, and also"):
        SweepSpec.from_options(spec, lanes=["native:native"], boards=["uno"])
