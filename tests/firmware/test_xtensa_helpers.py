# SPDX-License-Identifier: Apache-2.0
"""The ESP32 lane's run-time helpers and trapped multiplications against Python's and numpy's arithmetic."""

from __future__ import annotations

import math
import random
import struct
from pathlib import Path

import numpy as np
import pytest

from tests import xtensa

pytestmark = pytest.mark.emulator

MASK = (1 << 64) - 1
UDIV, UMOD, SDIV, SMOD, MUL, FDIV, EXP, ROUND, MULSH, MULUH, MEMCPY, MEMMOVE, MEMSET, MEMCMP, *_ = range(18)
SQRT, TANH, FROM_INT64, TO_INT64 = range(14, 18)

Pairs = list[tuple[int, int]]

EDGES_64 = [0, 1, 2, 3, 7, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, 1 << 63, MASK - 1, MASK]
EDGES_32 = [0, 1, 2, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF]
#: Zeros, subnormals, the ends of the normal range, one and its neighbours, infinities, not a number.
EDGES_FLOAT = [
    *(0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x00000003, 0x007FFFFF, 0x00800000, 0x00800001),
    *(0x3F7FFFFF, 0x3F800000, 0x3F800001, 0xBF800000, 0x40400000, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F000000),
    *(0x7F800000, 0xFF800000, 0x7FC00000),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("helpers")
    main = xtensa.compile_object(Path(__file__).with_name("xtensa_helpers.c"), folder)
    return xtensa.link([*xtensa.runtime(folder), main], folder / "helpers.elf")


def ask(program: Path, operation: int, pairs: Pairs) -> list[int]:
    """The emulated results."""
    data = b"".join(struct.pack("<QQQQ", operation, a, b, 0) for a, b in pairs)
    return [value for (value,) in struct.iter_unpack("<Q", xtensa.run(program, data))]


def pairs_of(edges: list[int], bits: int, count: int) -> Pairs:
    """All pairs of edges, and random ones of all magnitudes."""
    rng = random.Random(bits)
    drawn = [
        (rng.getrandbits(rng.randint(1, bits)), rng.getrandbits(rng.randint(1, bits))) for _ in range(count)
    ]
    return [(a, b) for a in edges for b in edges] + drawn


def signed(value: int, bits: int = 64) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def test_64_bit_division(program: Path) -> None:
    pairs = [(a, b) for a, b in pairs_of(EDGES_64, 64, 4000) if b]
    assert ask(program, UDIV, pairs) == [a // b for a, b in pairs]
    assert ask(program, UMOD, pairs) == [a % b for a, b in pairs]
    quotients = []
    for a, b in pairs:
        quotient = abs(signed(a)) // abs(signed(b))
        quotients.append(quotient if (signed(a) < 0) == (signed(b) < 0) else -quotient)
    assert ask(program, SDIV, pairs) == [quotient & MASK for quotient in quotients]
    rests = [signed(a) - quotient * signed(b) for (a, b), quotient in zip(pairs, quotients, strict=True)]
    assert ask(program, SMOD, pairs) == [rest & MASK for rest in rests]


def test_products(program: Path) -> None:
    pairs = pairs_of(EDGES_64, 64, 2000)
    assert ask(program, MUL, pairs) == [a * b & MASK for a, b in pairs]
    pairs = pairs_of(EDGES_32, 32, 2000)
    assert ask(program, MULSH, pairs) == [signed(a, 32) * signed(b, 32) & MASK for a, b in pairs]
    assert ask(program, MULUH, pairs) == [a * b for a, b in pairs]


def floats(values: list[int]) -> np.ndarray:
    return np.array(values, np.uint32).view(np.float32)


def test_float_quotients_are_rounded_correctly(program: Path) -> None:
    rng = random.Random(1)
    pairs = [(a, b) for a in EDGES_FLOAT for b in EDGES_FLOAT]
    pairs += [(rng.getrandbits(32), rng.getrandbits(32)) for _ in range(10_000)]
    near = 0x3F800000  # quotients about one, and subnormal ones, where rounding is hardest
    pairs += [(near + rng.getrandbits(23), near + rng.getrandbits(23)) for _ in range(5_000)]
    pairs += [(rng.randint(1, 0x01800000), near + rng.getrandbits(24)) for _ in range(5_000)]
    ours = floats(ask(program, FDIV, pairs))
    with np.errstate(all="ignore"):
        theirs = floats([a for a, _ in pairs]) / floats([b for _, b in pairs])
    unequal = (ours.view(np.uint32) != theirs.view(np.uint32)) & ~(np.isnan(ours) & np.isnan(theirs))
    assert not unequal.any(), [tuple(map(hex, pairs[at])) for at in np.flatnonzero(unequal)[:5]]


def test_exponential_is_within_two_units_in_the_last_place(program: Path) -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate(
        [
            rng.uniform(-104, 89, 20_000),
            rng.normal(0, 1, 20_000),
            [0.0, -0.0, 88.7228, 88.7229, -87.3366, -103.97, -103.98, 1e-30, -1e30, 1e30, np.inf, -np.inf],
        ]
    ).astype(np.float32)
    ours = floats(ask(program, EXP, [(int(bits), 0) for bits in x.view(np.uint32)]))
    with np.errstate(all="ignore"):
        exact = np.exp(x.astype(np.float64))
        theirs = exact.astype(np.float32)
    finite = np.isfinite(theirs)
    assert np.array_equal(ours[~finite], theirs[~finite])
    unit = np.spacing(theirs[finite]).astype(np.float64)
    assert np.max(np.abs(ours[finite].astype(np.float64) - exact[finite]) / unit) <= 2
    assert np.isnan(floats(ask(program, EXP, [(0x7FC00000, 0)]))[0])


def test_square_roots_are_rounded_correctly(program: Path) -> None:
    rng = random.Random(5)
    bits = [*EDGES_FLOAT, *(rng.getrandbits(32) for _ in range(10_000))]
    bits += [rng.randint(1, 0x01000000) for _ in range(1_000)] + [
        int(bits) for bits in (np.arange(1, 3000, dtype=np.float32) ** 2).view(np.uint32)
    ]
    ours = floats(ask(program, SQRT, [(each, 0) for each in bits]))
    with np.errstate(all="ignore"):
        theirs = np.sqrt(floats(bits))
    unequal = (ours.view(np.uint32) != theirs.view(np.uint32)) & ~(np.isnan(ours) & np.isnan(theirs))
    assert not unequal.any(), [hex(bits[at]) for at in np.flatnonzero(unequal)[:5]]


def test_hyperbolic_tangent_is_within_eight_units_in_the_last_place(program: Path) -> None:
    rng = np.random.default_rng(6)
    edges = [0.0, 1e-30, 0.2499999, 0.25, 9.09, 9.11, 88.0, 1e30, np.inf]
    x = np.concatenate([edges, rng.uniform(0, 10, 20_000), rng.uniform(0, 0.5, 20_000)])
    x = np.concatenate([x, -x]).astype(np.float32)
    ours = floats(ask(program, TANH, [(int(bits), 0) for bits in x.view(np.uint32)]))
    exact = np.tanh(x.astype(np.float64))
    unit = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    assert np.max(np.abs(ours.astype(np.float64) - exact) / unit) <= 8
    assert np.isnan(floats(ask(program, TANH, [(0x7FC00000, 0)]))[0])


def test_floats_and_64_bit_integers(program: Path) -> None:
    rng = random.Random(7)
    integers = [*EDGES_64, *(rng.getrandbits(64) >> rng.randint(0, 63) for _ in range(5_000))]
    integers += [(1 << shift) + offset for shift in range(25, 62) for offset in (-1, 0, 1)]
    integers += [((1 << 24) + rng.getrandbits(24)) << 20 | 1 << 20 for _ in range(200)]  # ties
    ours = floats(ask(program, FROM_INT64, [(value, 0) for value in integers]))
    theirs = np.array([signed(value) for value in integers], np.int64).astype(np.float32)
    assert np.array_equal(ours.view(np.uint32), theirs.view(np.uint32))
    values = np.concatenate([theirs, [0.99, -0.99, 1.5, -1.5, 1e-40, -0.0]]).astype(np.float32)
    values = values[np.abs(values) < 2.0**63]
    whole = ask(program, TO_INT64, [(int(bits), 0) for bits in values.view(np.uint32)])
    assert [signed(value) for value in whole] == [int(value) for value in values.tolist()]


def test_rounding_to_whole_numbers(program: Path) -> None:
    rng = random.Random(3)
    halves = (np.arange(-80, 80) / 4).astype(np.float32).view(np.uint32).tolist()
    bits = [*EDGES_FLOAT[:-1], *halves, *(rng.getrandbits(32) for _ in range(5_000)), 0x3EFFFFFF, 0x4B000001]
    ours = floats(ask(program, ROUND, [(each, 0) for each in bits]))
    for got, x in zip(ours.tolist(), floats(bits).tolist(), strict=True):
        if math.isfinite(x):
            assert got == math.floor(abs(x) + 0.5) * (1 if x > 0 else -1), x
            assert math.copysign(1, got) == math.copysign(1, x)
        else:
            assert got == x or math.isnan(x)


def test_memory_functions(program: Path) -> None:
    rng = random.Random(4)
    cases = [(rng.randint(0, 31), rng.randint(0, 31), rng.randint(0, 32)) for _ in range(1_000)]
    pairs = [(start | to << 8, size) for start, to, size in cases]
    pattern = [(index * 7 + 1) & 0xFF for index in range(64)]

    def summed(area: list[int]) -> int:
        total = 0
        for byte in area:
            total = (total * 257 + byte) & MASK
        return total

    copied, filled, compared = [], [], []
    for start, to, size in cases:
        copied.append(summed([*pattern[:to], *pattern[start : start + size], *pattern[to + size :]]))
        filled.append(summed([*pattern[:to], *[(start - 300) & 0xFF] * size, *pattern[to + size :]]))
        one, two = pattern[to : to + size], pattern[start : start + size]
        compared.append((one > two) - (one < two))
    assert ask(program, MEMCPY, pairs) == ask(program, MEMMOVE, pairs) == copied
    assert ask(program, MEMSET, pairs) == filled
    answers = [signed(answer) for answer in ask(program, MEMCMP, pairs)]
    assert [(answer > 0) - (answer < 0) for answer in answers] == compared
