# SPDX-License-Identifier: Apache-2.0
"""A workload that is a Python file of a user's: `--workload my_workload.py` (docs/WORKLOADS.md).

It is executed because the user named it, in this process and in the one that trains. Whatever it raises
becomes an error that names its line.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import math
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.errors import ModelError, QuantrigError, UnsupportedError
from harness.workloads.arrays import data_set, examples
from harness.workloads.as_is import AsIsWorkload
from harness.workloads.custom import check_inputs, check_targets, trained_model
from harness.workloads.dataset import DataSet, Examples, TargetArray
from harness.workloads.files import checked, existing, word
from harness.workloads.metrics import METRICS
from harness.workloads.model_file import check_layers
from harness.workloads.runtime import ENVIRONMENT, seed_everything

#: What the file may say of itself, and what it is if it does not; NAME and TITLE follow from its own name.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "NAME": "",
    "TITLE": "",
    "METRIC": "",
    "SEED": 1,
    "SYNTHETIC": False,
    "STREAM": False,
    "MODEL": "",
}
#: What the file may take to be read, and each of its functions outside of the training, which has its own
#: limit. Data may have to be downloaded; an endless loop must not look like that for ever.
READ_TIMEOUT_S = 300.0
CALL_TIMEOUT_S = 1800.0
_GUIDE: Final = "docs/WORKLOADS.md says what such a file holds."


class UserWorkload:
    """A Python file that trains a Keras model, or names one; satisfies `TrainedWorkload`."""

    def __init__(self, file: _UserFile) -> None:
        self._file = file
        self.path = file.path
        self.NAME: str = file.values["NAME"]
        self.TITLE: str = file.values["TITLE"]
        self.METRIC: str = file.values["METRIC"]
        self.SEED: int = file.values["SEED"]
        self.SYNTHETIC: bool = file.values["SYNTHETIC"]
        self.STREAM: bool = file.values["STREAM"]

    def data_files(self) -> tuple[Path, ...]:
        """The file, the modules beside it that it imports, its model, and what it names itself."""
        return self._file.files()

    def load_data(self) -> DataSet:
        """See `TrainedWorkload`."""
        given = self._file.call("load_data")
        if isinstance(given, DataSet):
            return given
        return data_set(self._file.arrays(given), metric=self.METRIC, seed=self.SEED, where=self.path)

    def build_and_train(self, data: DataSet, /) -> Any:
        """See `TrainedWorkload`."""
        if self._file.model is not None:
            metric = "" if self._file.has("score") else self.METRIC
            return trained_model(self._file.model, data, metric=metric, source=self.path)
        seed_everything(self.SEED)  # a training that is not repeatable is refused by TensorFlow, not repeated
        model = self._file.call("build_and_train", data)
        if not (hasattr(model, "layers") and hasattr(model, "get_config") and hasattr(model, "get_weights")):
            raise ModelError(f"{self.path}: build_and_train() gave a {type(model).__name__}, no Keras model.")
        if type(model).__name__ not in ("Sequential", "Functional"):
            raise UnsupportedError(
                f"{self.path}: build_and_train() gave a {type(model).__name__}.",
                cause="A class of your own cannot be rebuilt layer by layer.",
                fix="Build it as Sequential or Functional model.",
            )
        check_layers(model.get_config(), self.path)
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise ModelError(
                f"{self.path}: the model has {len(model.inputs)} inputs and {len(model.outputs)} outputs.",
                fix="Give a model with one of each, or convert it yourself and name the .tflite as MODEL.",
            )
        check_inputs(
            model, data, name=f"{self.path}: build_and_train() gave a model that", source="load_data()"
        )
        if not self._file.has("score"):
            check_targets(model, data, metric=self.METRIC, source=f"{self.path}: load_data()")
        return model

    def score(self, outputs: npt.NDArray[Any], x_test: npt.NDArray[Any], y_test: TargetArray, /) -> float:
        """See `Workload`."""
        return self._file.score(outputs, x_test, y_test)


def read_workload_file(path: Path) -> UserWorkload | AsIsWorkload:
    """Execute the file and check what it offers.

    Raises:
        ModelError: it is not there, raises something, or lacks a part.
    """
    file = _UserFile(existing(path, ".py"))
    values, model = file.values, file.model
    if model is None or model.suffix != ".tflite":
        return UserWorkload(file)
    return AsIsWorkload(
        model,
        (lambda: _examples(file)) if file.has("load_data") else None,
        name=values["NAME"],
        title=values["TITLE"],
        metric=values["METRIC"],
        score=file.score,
        seed=values["SEED"],
        stream=values["STREAM"],
        synthetic=values["SYNTHETIC"],
        files=file.files(),
    )


def _examples(file: _UserFile) -> Examples:
    given = file.call("load_data")
    if isinstance(given, DataSet):
        return Examples(inputs=(given.x_test,), targets=given.y_test)
    arrays = file.arrays(given)
    if file.values["METRIC"] and "y_test" not in arrays:
        raise ModelError(f"{file.path}: METRIC is {file.values['METRIC']}, but load_data() gives no y_test.")
    return examples(arrays, metric=file.values["METRIC"], where=file.path)


class _UserFile:
    """The executed file; every access to it turns its exceptions into errors that name its line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._module = self._executed()
        self.values = self._settings()
        given = self.values["MODEL"]
        self.model = existing(path.parent / given, ".keras", ".h5", ".tflite") if str(given) else None
        as_is = self.model is not None and self.model.suffix == ".tflite"
        wanted = () if as_is and not self.values["METRIC"] else ("load_data",)
        for name in (*wanted, *(() if self.model else ("build_and_train",))):
            if not self.has(name):
                raise ModelError(f"{path} has no function {name}.", fix=_GUIDE)
        if not as_is and not self.values["METRIC"]:
            raise ModelError(f"{path} has no METRIC.", fix=f"Write one of {', '.join(METRICS)}.")

    def has(self, name: str) -> bool:
        """Whether it defines this function."""
        return callable(getattr(self._module, name, None))

    def call(self, name: str, *arguments: Any) -> Any:
        """What its function gives."""
        # The training has a process of its own, which ends after `quantize.trained.TIMEOUT_S`.
        timeout_s = None if name == "build_and_train" else CALL_TIMEOUT_S
        work = functools.partial(getattr(self._module, name), *arguments)
        return self._guarded(f"{name}()", work, timeout_s)

    def score(self, outputs: npt.NDArray[Any], x_test: npt.NDArray[Any], y_test: TargetArray) -> float:
        """Its own score, or else that of its METRIC."""
        if not self.has("score"):
            return METRICS[self.values["METRIC"]](outputs, x_test, y_test)
        given = self.call("score", outputs, x_test, y_test)
        try:
            value = float(given)
        except (TypeError, ValueError, OverflowError) as error:
            shown = repr(given)[:80]
            raise ModelError(f"{self.path}: score() gave {shown}, not a number.") from error
        if not math.isfinite(value):
            raise ModelError(f"{self.path}: score() gave {value}.")
        return value

    def arrays(self, given: Any) -> dict[str, npt.NDArray[Any]]:
        """What load_data() gave, as checked arrays."""
        if not isinstance(given, Mapping):
            raise ModelError(
                f"{self.path}: load_data() gave a {type(given).__name__}, not a dict of arrays.", fix=_GUIDE
            )
        return {name: self._array(value, str(name)) for name, value in given.items()}

    def _array(self, value: Any, name: str) -> npt.NDArray[Any]:
        try:
            array = np.asarray(value)
        except Exception as error:  # ragged lists, and whatever foreign objects raise
            raise ModelError(
                f"{self.path}: load_data() gave as {name} what is no array ({_said(error)}).", fix=_GUIDE
            ) from error
        return checked(array, name, self.path)

    def files(self) -> tuple[Path, ...]:
        """Whatever it is made of: a change in one of them makes everything anew."""
        named = self._named_files() if self.has("data_files") else []
        found = [self.path, *_modules_beside(self.path), *((self.model,) if self.model else ())]
        found += [existing(self.path.parent / name, name.suffix) for name in named]
        return tuple(dict.fromkeys(found))

    def _named_files(self) -> list[Path]:
        given = self.call("data_files")
        if not isinstance(given, list | tuple) or not all(isinstance(name, str | Path) for name in given):
            raise ModelError(
                f"{self.path}: data_files() gave {repr(given)[:80]}, not a list of paths.", fix=_GUIDE
            )
        return [Path(name) for name in given]

    def _executed(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"quantrig_workload_{self.path.stem}", self.path)
        if spec is None or spec.loader is None:
            raise ModelError(f"{self.path}: not a Python file.")
        module = importlib.util.module_from_spec(spec)
        os.environ.update(ENVIRONMENT)  # before the user's own code imports TensorFlow or Keras
        sys.modules[module.__name__] = module  # dataclasses and pickles look themselves up there
        if str(self.path.parent) not in sys.path:
            sys.path.append(str(self.path.parent))  # last: nothing of the user's replaces what we import
        self._guarded("the file", functools.partial(spec.loader.exec_module, module), READ_TIMEOUT_S)
        return module

    def _settings(self) -> dict[str, Any]:
        values = {name: getattr(self._module, name, default) for name, default in _DEFAULTS.items()}
        values["MODEL"] = str(values["MODEL"])
        for name, default in _DEFAULTS.items():
            if type(values[name]) is not type(default):
                raise ModelError(f"{self.path}: {name} is {values[name]!r}, not {_KINDS[type(default)]}.")
        if not 0 <= values["SEED"] < 2**32:
            raise ModelError(f"{self.path}: SEED is {values['SEED']}.", fix="Write 0 to 4294967295.")
        name = values["NAME"] or word(self.path.stem)
        if name != word(name):
            raise ModelError(f"{self.path}: NAME is {name!r}.", fix=f"Write it as {word(name)!r}.")
        if values["METRIC"] and values["METRIC"] not in METRICS:
            raise ModelError(
                f"{self.path}: METRIC is {values['METRIC']!r}.", fix=f"Write one of {', '.join(METRICS)}."
            )
        return values | {"NAME": name, "TITLE": values["TITLE"] or self.path.name}

    def _guarded(self, what: str, work: Callable[[], Any], timeout_s: float | None) -> Any:
        try:
            return work() if timeout_s is None else _within(timeout_s, work)
        except (QuantrigError, KeyboardInterrupt):
            raise
        except _TooLongError as error:
            raise ModelError(
                f"{self.path}: {what} did not end within {error} s.",
                cause="It loops, or waits for something.",
                fix="Correct the workload file.",
            ) from error
        except BaseException as error:  # SystemExit, and whatever else a file of the user's may raise
            lines = [
                f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(self.path)
            ]
            line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
            where = f"{self.path}:{line}" if line else str(self.path)
            raise ModelError(
                f"{where}: {what} failed: {type(error).__name__}: {_said(error)}.",
                fix="Correct the workload file.",
            ) from error


class _TooLongError(Exception):
    """The user's code still runs."""


def _within(timeout_s: float, work: Callable[[], Any]) -> Any:
    """What `work` gives or raises, in a thread of its own: nothing else can be left while it runs on.

    Raises:
        _TooLongError: it did not end in time; the thread goes on until the process ends.
    """
    result: list[Any] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:  # handed to the caller, whatever it is
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True, name="workload file")
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        raise _TooLongError(f"{timeout_s:.0f}")
    if raised:
        raise raised[0]
    return result[0]


def _said(error: BaseException) -> str:
    """The first line of its message; a user's exception may fail at that, too."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:
        lines = []
    return (lines or ["no message"])[0][:300].rstrip(".")


_KINDS: Final[Mapping[type, str]] = {str: "a text", int: "a whole number", bool: "True or False"}


def _modules_beside(path: Path) -> list[Path]:
    """The files of modules in the same folder that `path` imports, and those that they import."""
    found: list[Path] = []
    waiting = [path]
    while waiting:
        source = waiting.pop()
        for name in _imported(source):
            beside = [path.parent / f"{name}.py", *sorted((path.parent / name).rglob("*.py"))]
            new = [file for file in beside if file.is_file() and file not in (path, *found)]
            found += new
            waiting += new
    return sorted(found)


def _imported(path: Path) -> set[str]:
    """First words of the modules that the file imports anywhere; none where it is not Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
