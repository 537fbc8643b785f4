# SPDX-License-Identifier: Apache-2.0
"""What a kernel asks of the compiler for one operation: constants in its own layout, and its calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.graph import DType

#: Element types as C spells them.
C_TYPES: Final = {
    DType.FLOAT32: "float",
    DType.INT8: "int8_t",
    DType.UINT8: "uint8_t",
    DType.INT16: "int16_t",
    DType.INT32: "int32_t",
    DType.INT64: "int64_t",
    DType.BOOL: "uint8_t",
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Constant:
    """A table in flash. `role` becomes the end of its name.

    `items` are numbers in the order of memory, or C expressions.
    """

    role: str
    ctype: str
    items: npt.NDArray[Any] | tuple[str, ...]
    is_array: bool = True
    item_bytes: int = 1
    """Size of one item as the compiler lays it out on a 32-bit CPU, padding included."""

    @property
    def nbytes(self) -> int:
        """Size in flash."""
        return len(self.items) * self.item_bytes

    def initializers(self) -> tuple[str, ...]:
        """C expressions; made only when the text is wanted, as weights are many."""
        if isinstance(self.items, tuple):
            return self.items
        if self.items.dtype.kind == "f":
            return tuple(float_literal(value) for value in self.items.tolist())
        return tuple(_integer(int(value), self.ctype) for value in self.items.tolist())


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorArgument:
    """A pointer to a tensor of the operation, cast to `ctype`; an input may be a constant."""

    position: int
    is_output: bool
    ctype: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Scratch:
    """A pointer to bytes of the arena that the operation has for itself; `role` is unique in it."""

    role: str
    nbytes: int
    align: int
    ctype: str


Argument = TensorArgument | Scratch | Constant | str


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelCall:
    """One call of a function of nn.h.

    `arguments` are tensors, scratch, constants (by identity, passed as pointers into flash) and literal C
    expressions, in order. `in_place` lists the inputs (positions in `Op.inputs`) whose bytes output 0
    may take over; only an operation of a single call may name any.
    """

    function: str
    arguments: tuple[Argument, ...]
    in_place: tuple[int, ...] = ()

    @property
    def constants(self) -> tuple[Constant, ...]:
        """The tables that the call passes, in order."""
        return tuple(a for a in self.arguments if isinstance(a, Constant))


def source(ctype: str, position: int = 0) -> TensorArgument:
    """Input `position` of the operation."""
    return TensorArgument(position=position, is_output=False, ctype=f"const {ctype} *")


def state(ctype: str, position: int) -> TensorArgument:
    """Input `position`, a variable that the kernel writes as well."""
    return TensorArgument(position=position, is_output=False, ctype=f"{ctype} *")


def destination(ctype: str, position: int = 0) -> TensorArgument:
    """Output `position` of the operation."""
    return TensorArgument(position=position, is_output=True, ctype=f"{ctype} *")


def scratch(role: str, ctype: str, count: int, *, itemsize: int) -> Scratch:
    """`count` elements of `itemsize` bytes, undefined before the call and after it."""
    return Scratch(role=role, nbytes=count * itemsize, align=itemsize, ctype=f"{ctype} *")


def table(role: str, dtype: DType, values: npt.NDArray[Any]) -> Constant:
    """Elements of one type in the order of memory."""
    flat = np.ascontiguousarray(values).reshape(-1).astype(dtype.numpy)
    if dtype is DType.FLOAT32 and not np.isfinite(flat).all():
        raise ValueError("a constant is not finite")
    return Constant(role=role, ctype=C_TYPES[dtype], items=flat, item_bytes=dtype.itemsize)


def int8_array(role: str, values: npt.NDArray[Any] | Iterable[int]) -> Constant:
    """An int8_t table in the order of memory."""
    return table(role, DType.INT8, _as_array(values))


def int16_array(role: str, values: npt.NDArray[Any] | Iterable[int]) -> Constant:
    """An int16_t table in the order of memory."""
    return table(role, DType.INT16, _as_array(values))


def int32_array(role: str, values: npt.NDArray[Any] | Iterable[int]) -> Constant:
    """An int32_t table in the order of memory."""
    return table(role, DType.INT32, _as_array(values))


def float_array(role: str, values: npt.NDArray[Any]) -> Constant:
    """A float table in the order of memory; literals read back to the same float32."""
    return table(role, DType.FLOAT32, values)


def _as_array(values: npt.NDArray[Any] | Iterable[int]) -> npt.NDArray[Any]:
    return values if isinstance(values, np.ndarray) else np.array([int(v) for v in values], np.int64)


def structure(role: str, ctype: str, fields: Sequence[str]) -> Constant:
    """One structure."""
    return Constant(role=role, ctype=ctype, items=tuple(fields), is_array=False)


def structure_array(role: str, ctype: str, rows: Iterable[Sequence[str]], *, item_bytes: int) -> Constant:
    """An array of structures of `item_bytes` each."""
    items = tuple("{" + ", ".join(row) + "}" for row in rows)
    return Constant(role=role, ctype=ctype, items=items, item_bytes=item_bytes)


def _integer(value: int, ctype: str) -> str:
    if ctype == "int64_t":
        return "INT64_MIN" if value == -(2**63) else f"INT64_C({value})"
    return int32_literal(value)


def float_literal(value: float) -> str:
    """A C literal of exactly this float32 (not finite: ValueError)."""
    exact = np.float32(value)
    if not np.isfinite(exact):
        raise ValueError(f"{value} has no C literal")
    text = np.format_float_scientific(exact, unique=True, trim="0")
    return f"{text}f"


def int32_literal(value: int) -> str:
    """A C expression of an int32_t."""
    # -2147483648 is an expression in C (minus a long); this is the value itself.
    return "INT32_MIN" if value == -(2**31) else str(value)
