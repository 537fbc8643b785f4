# SPDX-License-Identifier: Apache-2.0
"""Generated models on the host: one archive of kernels per set of flags, one small library per model."""

from __future__ import annotations

import atexit
import ctypes
import functools
import hashlib
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.compiler import GeneratedSource, compile_graph
from harness.graph import Graph, read_tflite
from harness.locks import locked
from harness.resources import cache_dir

Array = npt.NDArray[Any]

FIRMWARE = Path(__file__).resolve().parents[1] / "firmware"
KERNELS = FIRMWARE / "lib" / "nn"
INCLUDES = (f"-I{FIRMWARE / 'include'}", f"-I{KERNELS}")
WARNINGS = ("-Wall", "-Wextra", "-Werror")
FLAGS = ("-std=gnu11", "-O1", "-ffp-contract=off", "-fPIC", *WARNINGS)

#: What the arena holds before each inference: a kernel that reads what nobody wrote gives itself away.
_GARBAGE = 0x5B


@functools.cache
def work_folder() -> Path:
    """A folder of this process that goes when it ends."""
    folder = Path(tempfile.mkdtemp(prefix="quantrig-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


_numbers = itertools.count()


def model_folder(files: Mapping[str, str]) -> Path:
    """A new folder with these files."""
    folder = work_folder() / f"model{next(_numbers)}"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a compiler; its complaints become the message of the failure."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(str(part) for part in command)}\n{done.stdout}{done.stderr}")
    return done


@functools.cache
def kernel_archive(compiler: str = "gcc", flags: tuple[str, ...] = FLAGS) -> Path:
    """All kernels, each compiled once by whichever process comes first.

    A kernel that does not compile is missing from the archive: who needs it fails to link, and
    test_emit.py says why.
    """
    store = cache_dir() / "tests"
    objects = [path for path in (_object(store, file, compiler, flags) for file in _kernels()) if path]
    names = "\0".join(path.name for path in objects)
    archive = store / f"libnn-{hashlib.sha256(names.encode()).hexdigest()[:16]}.a"
    with locked(store / "lock"):
        if not archive.exists():
            draft = archive.with_suffix(".draft")
            draft.unlink(missing_ok=True)
            run("ar", "rcs", draft, *objects)
            draft.replace(archive)
    return archive


def _kernels() -> list[Path]:
    return sorted(KERNELS.glob("*.c"))


def _object(store: Path, source: Path, compiler: str, flags: tuple[str, ...]) -> Path | None:
    """The object file of a kernel; None: it does not compile."""
    store.mkdir(parents=True, exist_ok=True)
    facts = [compiler, *flags, *(path.read_text(encoding="utf-8") for path in (source, *_headers()))]
    digest = hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]
    path = store / f"{source.stem}-{digest}.o"
    with locked(store / f"{source.stem}.lock"):
        if not path.exists():
            draft = path.with_suffix(".draft.o")
            command = [compiler, *flags, *INCLUDES, "-c", str(source), "-o", str(draft)]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                return None
            draft.replace(path)
    return path


def _headers() -> list[Path]:
    return sorted(KERNELS.glob("*.h"))


def declared_kernels() -> set[str]:
    """The functions of nn.h and the headers that it includes."""
    text = "\n".join(header.read_text(encoding="utf-8") for header in sorted(KERNELS.glob("nn*.h")))
    return {line.split("(")[0].split()[-1] for line in text.splitlines() if line.startswith("void nn_")}


class NativeModel:
    """A generated model in this process. Every model is a library of its own, kernels included."""

    def __init__(self, graph: Graph, source: GeneratedSource) -> None:
        folder = model_folder(source.files)
        library = folder / "model.so"
        run(
            "gcc", *FLAGS, "-shared", f"-I{folder}", *INCLUDES, "-o", library,
            folder / "model.c", kernel_archive(), "-lm",
        )  # fmt: skip
        self._library = ctypes.CDLL(str(library))
        self._outputs = graph.output_tensors()
        self._inputs = graph.input_tensors()
        self._has_state = graph.is_stateful
        arena = (ctypes.c_uint8 * source.arena_bytes).in_dll(self._library, "qr_arena")
        self.arena: npt.NDArray[np.uint8] = np.ctypeslib.as_array(arena)
        self.input_places = self._places("qr_model_inputs", len(self._inputs))
        self.output_places = self._places("qr_model_outputs", len(self._outputs))

    def _places(self, symbol: str, count: int) -> list[tuple[int, int]]:
        words = (ctypes.c_uint32 * (2 * count)).in_dll(self._library, symbol)
        return list(zip(words[::2], words[1::2], strict=True))

    def constant(self, symbol: str, size: int) -> bytes:
        """The bytes of a table such as qr_model_info."""
        return bytes((ctypes.c_uint8 * size).in_dll(self._library, symbol))

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """As `harness.reference.expected_outputs`: one array (samples, elements) per output tensor."""
        self.arena[:] = _GARBAGE
        self._library.qr_model_reset()
        samples = [self._infer(sample) for sample in zip(*inputs, strict=True)]
        return [np.stack(column) for column in zip(*samples, strict=True)]

    def _infer(self, sample: Sequence[Array]) -> list[Array]:
        if not self._has_state:
            self.arena[:] = _GARBAGE
        for value, (offset, nbytes) in zip(sample, self.input_places, strict=True):
            self.arena[offset : offset + nbytes] = np.frombuffer(value.tobytes(), np.uint8)
        self._library.qr_model_invoke()
        return [
            np.frombuffer(self.arena[offset : offset + nbytes].tobytes(), tensor.dtype.numpy)
            for tensor, (offset, nbytes) in zip(self._outputs, self.output_places, strict=True)
        ]


def native_model(data: bytes, *, name: str = "model") -> NativeModel:
    """Compile a .tflite file all the way."""
    graph = read_tflite(data, name=name)
    return NativeModel(graph, compile_graph(graph))
