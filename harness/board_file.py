# SPDX-License-Identifier: Apache-2.0
"""Reads YAML as a tree of nodes against a table of keys: strict, safe, and with the line of every mistake.

The text never becomes Python objects: nodes know their lines, keep duplicate keys apart, and cannot build
anything. A table of keys and readers per kind of mapping is the whole schema (`boards.py` holds it).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from harness.errors import ConfigError
from harness.suggest import nearest

_MAP: Final = "tag:yaml.org,2002:map"
_NULL: Final = "tag:yaml.org,2002:null"

#: What a case may call a board: sweep.py takes no other names.
_NAME: Final = re.compile(r"(?=.{1,40}$)[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")

#: "32K", "32 KiB", "1M": what people write for sizes, and what the factor is.
_UNITS: Final = {"k": 1024, "m": 1024 * 1024}


@dataclass(frozen=True, slots=True)
class BoardFile:
    """The YAML file being read. `where` names a value in messages, like `uno.flash_bytes`."""

    path: Path
    guide: str = "docs/BOARDS.md"
    """What explains its keys."""

    def refuse(self, node: yaml.Node, problem: str, fix: str = "") -> NoReturn:
        """Raise the ConfigError that points at `node`."""
        raise ConfigError(f"{self.path}:{node.start_mark.line + 1}: {problem}.", fix=fix)

    def compose(self) -> yaml.Node:
        """The file's one document as nodes."""
        try:
            root = yaml.compose(self.path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path} cannot be read: {error}.") from error
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}" if mark else ""
            raise ConfigError(
                f"{self.path}{line}: this is not YAML: {error.problem or error.context}."
            ) from error
        except (yaml.YAMLError, RecursionError) as error:
            raise ConfigError(f"{self.path} is not YAML: {type(error).__name__}.") from error
        if root is None:
            raise ConfigError(f"{self.path} is empty.", fix="It maps the names of boards to what they are.")
        return root

    def items(self, node: yaml.Node, where: str) -> dict[str, yaml.Node]:
        """A mapping's values by key; each key is a word and there only once."""
        if not isinstance(node, yaml.MappingNode) or node.tag != _MAP:
            self.refuse(node, f"{where} must be a mapping (key: value), not {_kind(node)}")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or not _NAME.fullmatch(key.value):
                rule = "small letters, digits, and single hyphens and underscores between them"
                self.refuse(key, f"{where}: a name has {rule}, not {_kind(key)}")
            if key.value in found:
                first = found[key.value].start_mark.line + 1
                self.refuse(key, f"{where}: {key.value!r} is there twice, first in line {first}")
            found[key.value] = value
        return found

    def values(self, node: yaml.Node, where: str, keys: Mapping[str, Key]) -> dict[str, Any]:
        """A mapping with these keys only, each value read by its reader."""
        found = self.items(node, where)
        for name, child in found.items():
            if name not in keys:
                self.refuse(child, f"{where}: unknown key {name!r}", nearest(name, keys))
        for name, key in keys.items():
            if key.required and name not in found:
                self.refuse(node, f"{where}: the key {name!r} is missing", f"{self.guide} explains it.")
        return {name: keys[name].read(self, child, f"{where}.{name}") for name, child in found.items()}

    def merge(self, parent: yaml.Node, child: yaml.Node, where: str) -> yaml.MappingNode:
        """`child` with what it does not say taken from `parent`, mapping by mapping; `null` drops a mapping
        of the parent's. The nodes keep their lines."""
        merged = self.items(parent, where)
        for name, node in self.items(child, where).items():
            before = merged.get(name)
            if node.tag == _NULL and isinstance(before, yaml.MappingNode):
                del merged[name]
            elif isinstance(before, yaml.MappingNode) and isinstance(node, yaml.MappingNode):
                merged[name] = self.merge(before, node, f"{where}.{name}")
            else:
                merged[name] = node
        pairs = [(yaml.ScalarNode("tag:yaml.org,2002:str", name), node) for name, node in merged.items()]
        return yaml.MappingNode(_MAP, pairs, child.start_mark, child.end_mark)


Read = Callable[[BoardFile, yaml.Node, str], Any]


@dataclass(frozen=True, slots=True)
class Key:
    """A key's reader (file, node, where) -> value, and whether the key must be there."""

    read: Read
    required: bool = True


def _kind(node: yaml.Node) -> str:
    """What a node is, in words for a message."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping" if node.tag.endswith(":map") else f"a mapping tagged {node.tag}"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return f"{str(node.value)[:40]!r}"


def _scalar(file: BoardFile, node: yaml.Node, where: str, tag: str, expected: str) -> str:
    """A plain value's text, if YAML takes it for `tag`."""
    if not isinstance(node, yaml.ScalarNode) or node.tag != f"tag:yaml.org,2002:{tag}":
        file.refuse(node, f"{where} must be {expected}, not {_kind(node)}")
    return str(node.value)


def text(file: BoardFile, node: yaml.Node, where: str) -> str:
    """A text of one line."""
    found = _scalar(file, node, where, "str", "a text (put it in quotes)")
    if not found.strip() or not found.isprintable():
        file.refuse(node, f"{where} must be a text of one line, not {found[:40]!r}")
    return found


def word(file: BoardFile, node: yaml.Node, where: str) -> str:
    """One word, as fits into a command line."""
    found = text(file, node, where)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", found):
        file.refuse(node, f"{where} must be one word, not {found[:40]!r}")
    return found


def one_of(names: Iterable[str]) -> Read:
    """One of these words."""
    known = tuple(names)

    def read(file: BoardFile, node: yaml.Node, where: str) -> str:
        found = text(file, node, where)
        if found not in known:
            file.refuse(node, f"{where}: unknown value {found!r}", nearest(found, known))
        return found

    return read


def count(file: BoardFile, node: yaml.Node, where: str) -> int:
    """A whole number above 0."""
    tag = "int" if node.tag.endswith(":int") or not isinstance(node, yaml.ScalarNode) else "str"
    found = _scalar(file, node, where, tag, "a whole number")
    if tag == "int" and re.fullmatch(r"[1-9][0-9_]{0,11}", found):
        return int(found.replace("_", ""))
    size = re.fullmatch(r"([1-9][0-9]{0,6}) ?([kKmM])(i?[bB])?", found)
    fix = f"Write {int(size[1]) * _UNITS[size[2].lower()]}." if size else ""
    problem = f"{where} must be a whole number above 0 in decimal digits, not {found[:40]!r}"
    return file.refuse(node, problem, fix)


def flag(file: BoardFile, node: yaml.Node, where: str) -> bool:
    """`true` or `false`."""
    return _scalar(file, node, where, "bool", "true or false").lower() in ("true", "yes", "on")


def seconds(file: BoardFile, node: yaml.Node, where: str) -> float:
    """A number of seconds from 0 to 99."""
    tag = "float" if node.tag.endswith(":float") else "int"
    found = _scalar(file, node, where, tag, "a number of seconds")
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{0,6})?", found):
        file.refuse(node, f"{where} must be seconds between 0 and 99, not {found[:40]!r}")
    return float(found)


def or_null(read: Read) -> Read:
    """What `read` takes, or `null`, which gives None."""

    def read_or_null(file: BoardFile, node: yaml.Node, where: str) -> Any:
        return None if node.tag == _NULL else read(file, node, where)

    return read_or_null


def tuple_of(read: Read, example: str) -> Read:
    """A list of what `read` takes; `example` shows one in messages."""

    def read_list(file: BoardFile, node: yaml.Node, where: str) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode) or node.tag != "tag:yaml.org,2002:seq":
            file.refuse(node, f"{where} must be a list like {example}, not {_kind(node)}")
        return tuple(read(file, child, where) for child in node.value)

    return read_list


def usb_id(file: BoardFile, node: yaml.Node, where: str) -> tuple[int, int]:
    """Vendor and product of a USB device."""
    found = text(file, node, where)
    match = re.fullmatch(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})", found)
    if match is None:
        file.refuse(
            node, f'{where} must hold vendor:product in hex digits like "2341:0043", not {found[:40]!r}'
        )
    return int(match[1], 16), int(match[2], 16)
