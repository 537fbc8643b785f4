# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.quarantine import Quarantine

WHOLE = """\
# what is broken here
- cases: ["gesture/float32/*@uno:hardware", "*@old:*"]
  comment: "Resets under load, issue 12."
- comment: Its USB plug is loose
  cases:
    - "digits/*"
"""


def read(tmp_path: Path, text: str) -> Quarantine:
    path = tmp_path / "quarantine.yaml"
    path.write_text(text, encoding="utf-8")
    return Quarantine.read(path)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (
            "gesture/float32/aot@uno:hardware",
            "Quarantined: Resets under load, issue 12 (quarantine.yaml, line 2).",
        ),
        ("sine/float32/aot@old:qemu", "Quarantined: Resets under load, issue 12 (quarantine.yaml, line 2)."),
        ("digits/float32/aot@uno:simavr", "Quarantined: Its USB plug is loose (quarantine.yaml, line 4)."),
        ("gesture/float32/aot@uno:simavr", None),
        ("Digits/float32/aot@uno:simavr", None),
    ],
)
def test_the_first_entry_that_matches_gives_the_reason(tmp_path: Path, case: str, reason: str | None) -> None:
    assert read(tmp_path, WHOLE).reason(case) == reason


def test_a_glob_that_matches_nothing_is_named_with_its_line(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE).unused(["digits/float32/aot@uno:simavr", "sine/float32/aot@old:qemu"])
    assert found == (
        f"{tmp_path}/quarantine.yaml:2: 'gesture/float32/*@uno:hardware' matches no case of this sweep.",
    )


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing any more\n", "---\n# nothing\n"])
def test_a_file_of_comments_quarantines_nothing(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)
    assert found.entries == ()
    assert found.reason("digits/float32/aot@uno:simavr") is None


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("cases: [a]\ncomment: x\n", 1, "not a list of entries"),
        ("nothing\n", 1, "not a list of entries"),
        ("- a\n", 1, "must be a mapping"),
        ("- cases: [a]\n", 1, "the key 'comment' is missing"),
        ("- comment: x\n", 1, "the key 'cases' is missing"),
        ("- comment: x\n  cases: []\n", 1, "an entry without cases"),
        ("- comment: x\n  cases: a\n", 2, "must be a list"),
        ("- comment: x\n  cases: [1]\n", 2, "must be a text"),
        ("- comment: x\n  cases: ['']\n", 2, "must be a text"),
        ("- comment: ''\n  cases: [a]\n", 1, "must be a text"),
        ("- comment: 5\n  cases: [a]\n", 1, "must be a text"),
        ("- comment: x\n  case: [a]\n", 2, "unknown key 'case'"),
        ("- comment: x\n  comment: y\n  cases: [a]\n", 2, "'comment' is there twice"),
        ("- comment: x\n  cases: [a]\n- comment: x\n  platforms: [b]\n", 4, "unknown key 'platforms'"),
        ("- comment: [\n", 2, "not YAML"),
        ("- !!python/object:os.system {cases: [a], comment: x}\n", 1, "must be a mapping"),
    ],
)
def test_what_is_no_quarantine_file_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    assert error.value.what.startswith(f"{tmp_path}/quarantine.yaml:{line}: ")
    assert message in error.value.what


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("none.yaml", "binary.yaml", "."):
        with pytest.raises(ConfigError, match="cannot be read"):
            Quarantine.read(tmp_path / name)
