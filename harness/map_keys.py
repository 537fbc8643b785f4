# SPDX-License-Identifier: Apache-2.0
"""The keys of hardware-map.yaml, and what each may hold; docs/HARDWARE.md explains them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Final

import yaml

from harness import board_file
from harness.board_file import BoardFile, Key

_SCHEMES: Final = ("socket://", "rfc2217://")


def _name(file: BoardFile, node: yaml.Node, where: str) -> str:
    found = board_file.text(file, node, where)
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,39}", found):
        file.refuse(node, f"{where} must be small letters, digits, '-', '_' and '.', not {found[:40]!r}")
    return found


def _address_text(file: BoardFile, node: yaml.Node, where: str) -> str:
    """A serial number or a location: YAML would take many for numbers, and drop their zeros."""
    if isinstance(node, yaml.ScalarNode) and node.tag.endswith((":int", ":float", ":timestamp")):
        file.refuse(node, f'{where} must be in quotes: "{node.value}"')
    return board_file.text(file, node, where)


def _url(file: BoardFile, node: yaml.Node, where: str) -> str:
    found = board_file.text(file, node, where)
    if problem := url_problem(found):
        file.refuse(node, f"{where}: {problem}")
    return found


def url_problem(url: str) -> str | None:
    """What is wrong with a port's name; None: nothing."""
    if url.startswith(_SCHEMES):
        host = re.fullmatch(r"[a-z0-9]+://(\[[0-9a-fA-F:.]+\]|[^/:\s]+):([0-9]{1,5})(\?\S*)?", url)
        right = host is not None and int(host[2]) < 65536
        return None if right else f"{url!r} must be like {url.partition(':')[0]}://host:1234"
    if re.fullmatch(r"/\S+|COM[0-9]+", url):
        return None
    return f"{url!r} is no port: /dev/ttyACM0, COM3, socket://host:port or rfc2217://host:port"


def _seconds(file: BoardFile, node: yaml.Node, where: str) -> float:
    found = node.value if isinstance(node, yaml.ScalarNode) else ""
    if not node.tag.endswith((":int", ":float")) or not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{0,6})?", found):
        file.refuse(node, f"{where} must be seconds, at most 9999")
    if float(found) <= 0:
        file.refuse(node, f"{where} must be above 0")
    return float(found)


def _command(file: BoardFile, node: yaml.Node, where: str) -> tuple[str, ...]:
    """A program and its arguments: one text as a shell would split it, or a list of words."""
    if isinstance(node, yaml.SequenceNode):
        words = tuple(_address_text(file, child, where) for child in node.value)
    else:
        try:
            words = tuple(shlex.split(board_file.text(file, node, where)))
        except ValueError as error:
            file.refuse(node, f"{where}: {error}")
    if not words:
        file.refuse(node, f"{where} names no program")
    return words


def _flag(file: BoardFile, node: yaml.Node, where: str) -> bool:
    if not node.tag.endswith(":bool") or node.value not in ("true", "false"):
        file.refuse(node, f"{where} must be true or false")
    return bool(node.value == "true")


#: Every key that an entry of a map may have.
KEYS: Final[Mapping[str, Key]] = {
    "id": Key(_name),
    "board": Key(board_file.text),
    "serial_number": Key(_address_text, required=False),
    "location": Key(_address_text, required=False),
    "url": Key(_url, required=False),
    "probe": Key(_address_text, required=False),
    "baud": Key(board_file.count, required=False),
    "notes": Key(board_file.text, required=False),
    "upload_timeout_s": Key(_seconds, required=False),
    "reply_timeout_s": Key(_seconds, required=False),
    "return_s": Key(_seconds, required=False),
    "power_cycle": Key(_command, required=False),
    "lines_down": Key(_flag, required=False),
}
