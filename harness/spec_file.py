# SPDX-License-Identifier: Apache-2.0
"""A sweep's specification in writing: the YAML file of a user, and the JSON values of run.json."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from harness.errors import ConfigError
from harness.sweep import (
    FLAGS,
    KEYS,
    LISTS,
    NUMBERS,
    PATHS,
    TEXTS,
    Lane,
    SweepSpec,
    check_key,
    is_file,
    parse_field,
)

_MAX_FILE_BYTES: Final = 1_000_000
#: Keys that runs of an older quantrig lack; the defaults are what those did.
_LATER: Final = ("retries", "quarantine", "metric", "check_layers")


def read_spec(path: Path) -> SweepSpec:
    """Read a spec file. Paths in it are relative to its folder.

    Raises:
        ConfigError: not readable, not YAML, or not a spec; with file and line.
    """
    given: dict[str, Any] = {}
    for key, line, value in _read_yaml(path):
        with _located(f"{path}:{line}: "):
            if key in given:
                raise ConfigError(f"{key!r} is there twice.", fix="Keep one of them.")
            if value in (None, []):
                raise ConfigError(f"{key} is empty.", fix="Write a value, or leave the key out.")
            _check_type(key, value)
            given[key] = _from_folder(path.parent, key, value)
            if key not in ("data", "metric"):
                SweepSpec.from_options(**{key: given[key]})
    with _located(f"{path}: "):
        return SweepSpec.from_options(**given)


def _from_folder(folder: Path, key: str, value: Any) -> Any:
    """Paths in a spec file begin where it lies."""
    if key == "workloads":
        return [str(folder / Path(text).expanduser()) if is_file(text) else text for text in value]
    return str(folder / Path(value).expanduser()) if key in PATHS else value


def spec_to_plain(spec: SweepSpec) -> dict[str, Any]:
    """The spec as JSON values, for run.json; `spec_from_plain` gives it back."""
    plain: dict[str, Any] = {}
    for key in KEYS:
        value = getattr(spec, key)
        if isinstance(value, tuple):
            value = [item.id if isinstance(item, Lane) else item for item in value]
        plain[key] = str(value) if isinstance(value, Path) else value
    return plain


def spec_from_plain(plain: Mapping[str, Any]) -> SweepSpec:
    """The spec that `spec_to_plain` made.

    Raises:
        ConfigError: a key is missing, unknown, or of the wrong type.
    """
    with _located("The stored sweep: "):
        for key in plain:
            check_key(key)
        missing = [key for key in KEYS if key not in plain and key not in _LATER]
        if missing:
            raise ConfigError(f"{missing[0]!r} is missing.", fix="Start a new run instead of resuming.")
        for key, value in plain.items():
            if value is not None or key in LISTS:
                _check_type(key, value)
        return SweepSpec(
            **{key: parse_field(key, value) for key, value in plain.items() if value is not None}
        )


@contextlib.contextmanager
def _located(where: str) -> Iterator[None]:
    """Put the place in front of a ConfigError that does not know it."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(where + error.what, cause=error.cause, fix=error.fix) from error


def _check_type(key: str, value: object) -> None:
    """`value` is what YAML or JSON made of it; its repr may be huge, so that only types are shown."""
    found = type(value).__name__
    if key in LISTS:
        if not isinstance(value, list):
            raise ConfigError(f"{key} must be a list, not {found}.", fix=f"Write {key}: [...].")
        for item in value:
            if not isinstance(item, str):
                found = type(item).__name__
                raise ConfigError(f"{key} must hold names, not {found}.", fix="Put the name in quotes.")
    elif key in (*PATHS, *TEXTS) and not isinstance(value, str):
        what = "a path" if key in PATHS else "a word"
        raise ConfigError(f"{key} must be {what}, not {found}.", fix="Put it in quotes.")
    elif key in NUMBERS and type(value) is not int:
        raise ConfigError(f"{key} must be a whole number, not {found}.", fix="Give a whole number.")
    elif key in FLAGS and type(value) is not bool:
        raise ConfigError(f"{key} must be true or false, not {found}.", fix="Write true or false.")


def _read_yaml(path: Path) -> list[tuple[str, int, Any]]:
    """Key, line (from 1) and value of each entry of a spec file, as YAML reads them."""
    import yaml

    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            raise ConfigError(f"{path} is larger than {_MAX_FILE_BYTES} bytes.", fix="Name a sweep spec.")
        loader = yaml.SafeLoader(data.decode("utf-8-sig"))
        root = loader.get_single_node()
        if root is None:
            raise ConfigError(f"{path} is empty.", fix="Write at least `workloads: [digits]`.")
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError(f"{path}:1: not a mapping.", fix="Write keys: `workloads: [digits]`.")
        entries: list[tuple[str, int, Any]] = []
        for key_node, value_node in root.value:
            line = key_node.start_mark.line + 1
            with _located(f"{path}:{line}: "):
                check_key(key_node.value if isinstance(key_node, yaml.ScalarNode) else "")
            entries.append((key_node.value, line, loader.construct_object(value_node, deep=True)))
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.", fix="Name a spec file.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text.", fix="Name a sweep spec in YAML.") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not YAML: {error.problem}.", fix="Correct that line.") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}.", fix="Correct it.") from error
    return entries
