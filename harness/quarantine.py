# SPDX-License-Identifier: Apache-2.0
"""quarantine.yaml: cases that are known to be bad, left out with a word on why, and shown as such.

- cases: ["gesture/float32/*@uno:hardware", "*@old_board:*"]
  comment: "Resets in mid-inference since the new supply, issue 12."
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import yaml

from harness.board_file import BoardFile, Key, text, tuple_of
from harness.errors import ConfigError

_KEYS: Final = {"cases": Key(tuple_of(text, '["*@uno:hardware"]')), "comment": Key(text)}
_FIX: Final = 'Write entries of a list: `- cases: ["*@uno:hardware"]` and below it `  comment: "why"`.'


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Some cases, and why they are left out."""

    globs: tuple[str, ...]
    comment: str
    line: int
    """In the file, from 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quarantine:
    """The entries of a file; without one nothing is quarantined."""

    path: Path
    entries: tuple[Entry, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a quarantine file; one of comments only has no entries.

        Raises:
            ConfigError: not readable, not YAML, or not such a file; with file and line.
        """
        file = BoardFile(path, guide="docs/RESULTS.md")
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}.", fix="Name a quarantine file.") from error
        if all(line.strip() in ("", "---") or line.lstrip().startswith("#") for line in lines):
            return cls(path=path)
        root = file.compose()
        if not isinstance(root, yaml.SequenceNode):
            file.refuse(root, "this is not a list of entries", _FIX)
        return cls(path=path, entries=tuple(_entry(file, node) for node in root.value))

    def reason(self, case_id: str) -> str | None:
        """Why the case is left out, with the place that says so; None: it is not."""
        for entry in self.entries:
            if any(fnmatch.fnmatchcase(case_id, glob) for glob in entry.globs):
                comment = entry.comment.rstrip(".")
                return f"Quarantined: {comment} ({self.path.name}, line {entry.line})."
        return None

    def unused(self, case_ids: Iterable[str]) -> tuple[str, ...]:
        """The globs that match none of these cases, each with its place."""
        known = tuple(case_ids)
        return tuple(
            f"{self.path}:{entry.line}: {glob!r} matches no case of this sweep."
            for entry in self.entries
            for glob in entry.globs
            if not any(fnmatch.fnmatchcase(case_id, glob) for case_id in known)
        )


def _entry(file: BoardFile, node: yaml.Node) -> Entry:
    line = node.start_mark.line + 1
    values = file.values(node, f"the entry in line {line}", _KEYS)
    if not values["cases"] or "" in values["cases"]:
        file.refuse(node, "an entry without cases", _FIX)
    return Entry(globs=values["cases"], comment=values["comment"], line=line)
