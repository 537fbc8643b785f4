# SPDX-License-Identifier: Apache-2.0
"""Random C programs without undefined behaviour: the same text gives the same output on every machine.

All arithmetic that could overflow is done unsigned; divisors, shifts and conversions of floats are
guarded by the functions of `PRELUDE`; a float that is not a number is handed over as one fixed value.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

PRELUDE: Final = """\
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef uint32_t u32;
typedef uint64_t u64;
typedef float f32;

struct small { i8 a; u32 b; };
struct large { i64 a; f32 b; i16 c; i32 d[5]; };

#define NOINLINE __attribute__((noinline)) static

void check(u32 function, u64 value);
void run_all(void);

#define WRONG(T, a, b, least) (b == 0 || (least && a == (T)least && b == (T)-1))
#define GUARDED(T, least) \\
    static inline T div_##T(T a, T b) { return WRONG(T, a, b, least) ? a : a / b; } \\
    static inline T mod_##T(T a, T b) { return WRONG(T, a, b, least) ? b : a % b; }
GUARDED(i32, INT32_MIN)
GUARDED(u32, 0)
GUARDED(i64, INT64_MIN)
GUARDED(u64, 0)

static inline i32 to_i32(f32 x) { return x > -2e9f && x < 2e9f ? (i32)x : 77; }
static inline u32 to_u32(f32 x) { return x > -0.9f && x < 4e9f ? (u32)x : 78; }
static inline u64 bits(f32 x)
{
    u32 all;

    memcpy(&all, &x, sizeof all);
    return x != x ? 0x7fc00000u : all;
}
"""

INTEGERS: Final = ("i32", "u32", "i64", "u64")
TYPES: Final = (*INTEGERS, "f32")
UNSIGNED: Final = {"i32": "u32", "u32": "u32", "i64": "u64", "u64": "u64"}
WIDTH: Final = {"i32": 32, "u32": 32, "i64": 64, "u64": 64}
#: Elements of the tables, a power of two.
TABLE: Final = 16

#: {p} a value of the same type {T} (its unsigned one {U}), {n} an amount to shift by, {k} a constant one, {d}
#: a divisor, {c} a condition, {o} a value of any integer type, {i} one of 32 bits, {f} a float, {e} and {x}
#: an element of a table and its index, {w} a narrow type.
INTEGER_FORMS: Final = (
    *("(({T})(({U}){p} + ({U}){p}))", "(({T})(({U}){p} - ({U}){p}))", "(({T})(({U}){p} * ({U}){p}))"),
    *("({p} & {p})", "({p} | {p})", "({p} ^ {p})", "(({T})~{p})", "({T})({w}){p}"),
    *("(({T})(({U}){p} << {n}))", "(({T})(({U}){p} << {k}))", "({p} >> {n})", "({p} >> {k})"),
    *("div_{T}({p}, {p})", "mod_{T}({p}, {p})", "({p} / ({T}){d})", "({p} % ({T}){d})"),
    *("({c} ? {p} : {p})", "({T}){o}", "({T}){e}", "({T})to_i32({f})", "({T})to_u32({f})"),
)
FLOAT_FORMS: Final = (
    *("({p} + {p})", "({p} - {p})", "({p} * {p})", "({p} / {p})", "({c} ? {p} : {p})", "(f32){i}"),
    *("(f32)({c})", "floats[{x}]", "(-({p}))", "roundf({p})", "__builtin_fabsf({p})"),
)


@dataclass(slots=True)
class _Function:
    name: str
    result: str
    parameters: list[str]


@dataclass(slots=True)
class _Writer:
    """One program in the making; `scope` holds the variables in sight by type."""

    rng: random.Random
    functions: list[_Function] = field(default_factory=list)
    scope: dict[str, list[str]] = field(default_factory=dict)
    loops: int = 0
    """How many of them we are in: there, nothing is called, so that programs end soon."""

    def constant(self, kind: str) -> str:
        if kind == "f32":
            value = self.rng.choice(
                [
                    self.rng.uniform(-4, 4),
                    self.rng.gauss(0, 1e5),
                    10 ** self.rng.uniform(-30, 30),
                    0.5,
                    -1.0,
                    0.0,
                ]
            )
            return f"{value:.9e}f"
        bits = self.rng.choice([4, 8, 12, 16, 31, WIDTH[kind]])
        value = self.rng.getrandbits(bits)
        if kind == UNSIGNED[kind]:
            return f"({kind}){value}u" if bits <= 32 else f"{value}ull"
        return f"({kind}){value}{'ull' if bits > 32 else 'u'}"

    def variable(self, kind: str) -> str:
        names = self.scope.get(kind, [])
        return self.rng.choice(names) if names else self.constant(kind)

    def expression(self, kind: str, depth: int) -> str:
        """A value of that type."""
        if depth <= 0:
            return self.variable(kind) if self.rng.random() < 0.75 else self.constant(kind)
        return self.float_value(depth) if kind == "f32" else self.integer(kind, depth)

    def integer(self, kind: str, depth: int) -> str:
        return self.fill(self.rng.choice(INTEGER_FORMS), kind, depth)

    def float_value(self, depth: int) -> str:
        return self.fill(self.rng.choice(FLOAT_FORMS), "f32", depth)

    def fill(self, form: str, kind: str, depth: int) -> str:
        """The form with each of its holes filled anew; see `INTEGER_FORMS`."""
        rng = self.rng
        holes: dict[str, Callable[[], str]] = {
            "p": lambda: self.expression(kind, depth - rng.randint(1, 2)),
            "T": lambda: kind,
            "U": lambda: UNSIGNED[kind],
            "n": lambda: f"({self.expression('u32', 0)} & {WIDTH[kind] - 1})",
            "k": lambda: str(rng.randrange(WIDTH[kind])),
            "d": lambda: str(rng.choice([3, 7, 10, 16, 255, 641, 1000003])),
            "c": lambda: self.condition(depth - 1),
            "o": lambda: self.expression(rng.choice(INTEGERS), depth - 1),
            "i": lambda: self.expression(rng.choice(["i32", "u32"]), depth - 1),
            "f": lambda: self.expression("f32", depth - 1),
            "e": self.element,
            "w": lambda: rng.choice(["i8", "i16", "uint8_t", "uint16_t"]),
            "x": lambda: f"{self.expression('u32', 0)} & {TABLE - 1}",
        }
        return re.sub(r"\{(\w)\}", lambda found: holes[found[1]](), form)

    def condition(self, depth: int) -> str:
        kind = self.rng.choice(TYPES)
        operator = self.rng.choice(["<", "<=", ">", ">=", "==", "!="])
        return f"{self.expression(kind, depth)} {operator} {self.expression(kind, depth)}"

    def element(self) -> str:
        table = self.rng.choice(["bytes", "shorts", "words", "wide", "state"])
        return f"{table}[{self.expression('u32', 0)} & {TABLE - 1}]"

    def call(self, function: _Function, depth: int = 1) -> str:
        return f"{function.name}({', '.join(self.expression(kind, depth) for kind in function.parameters)})"

    def statement(self, level: int) -> list[str]:
        """Lines of one statement; `level` bounds how deep they nest."""
        pad = "    "
        kind = self.rng.choice([each for each in TYPES if self.scope.get(each)])
        target = self.rng.choice([name for name in self.scope[kind] if name.startswith("v")])
        match self.rng.randrange(8 if level > 0 else 4):
            case 0 | 1:
                return [f"{target} = {self.expression(kind, 3)};"]
            case 2:
                at = f"{self.expression('u32', 1)} & {TABLE - 1}"
                return [f"state[{at}] ^= (u32){self.expression('u64', 2)};"]
            case 3:
                usable = [each for each in self.functions if each.result == kind and not self.loops]
                value = self.call(self.rng.choice(usable)) if usable else self.expression(kind, 2)
                return [f"{target} = {value};"]
            case 4 | 5:
                body = [pad + line for line in self.block(level - 1)]
                other = [pad + line for line in self.block(level - 1)]
                return [f"if ({self.condition(2)}) {{", *body, "} else {", *other, "}"]
            case 6:
                count = self.rng.randint(2, 9)
                self.loops += 1
                body = [pad + line for line in self.block(level - 1)]
                self.loops -= 1
                return [f"for (u32 i{level} = 0; i{level} < {count}; i{level}++) {{", *body, "}"]
            case _:
                lines = [f"switch ({self.expression('u32', 2)} % 9u) {{"]
                for case in self.rng.sample(range(9), self.rng.randint(5, 8)):
                    lines += [f"case {case}:", *(pad + line for line in self.statement(0))]
                    lines += [f"{pad}break;"] if self.rng.random() < 0.8 else []
                return [*lines, "default:", f"{pad}break;", "}"]

    def block(self, level: int) -> list[str]:
        return [line for _ in range(self.rng.randint(1, 3)) for line in self.statement(level)]

    def function(self, index: int) -> list[str]:
        """A function of up to nine parameters, so that some go over the stack."""
        function = _Function(
            name=f"f{index}",
            result=self.rng.choice(TYPES),
            parameters=[self.rng.choice(TYPES) for _ in range(self.rng.randint(0, 9))],
        )
        self.scope = {}
        named = []
        for at, kind in enumerate(function.parameters):
            self.scope.setdefault(kind, []).append(f"p{at}")
            named.append(f"{kind} p{at}")
        lines = [f"NOINLINE {function.result} {function.name}({', '.join(named) or 'void'})", "{"]
        for kind in TYPES:
            lines.append(f"    {kind} v{kind} = {self.expression(kind, 1)};")
            self.scope.setdefault(kind, []).append(f"v{kind}")
        lines += [f"    {line}" for _ in range(self.rng.randint(2, 5)) for line in self.statement(2)]
        lines += [f"    return {self.expression(function.result, 3)};", "}", ""]
        self.functions.append(function)
        return lines

    def table(self, kind: str, name: str, bits: int) -> str:
        values = ", ".join(f"({kind}){self.rng.getrandbits(bits)}ull" for _ in range(TABLE))
        return f"static const {kind} {name}[{TABLE}] = {{{values}}};"

    def tables(self) -> list[str]:
        floats = ", ".join(self.constant("f32") for _ in range(TABLE))
        state = ", ".join(f"{self.rng.getrandbits(32)}u" for _ in range(TABLE))
        return [
            self.table("i8", "bytes", 8),
            self.table("i16", "shorts", 16),
            self.table("u32", "words", 32),
            self.table("i64", "wide", 64),
            f"static const f32 floats[{TABLE}] = {{{floats}}};",
            f"static u32 state[{TABLE}] = {{{state}}};",
            "",
        ]

    def special(self) -> list[str]:
        """Recursion, calls through a table, structures by value, copies of memory."""
        self.scope = {"i32": ["x", "y"], "u32": ["n"]}
        handlers = []
        for at in range(5):
            body = self.expression("i32", 3)
            handlers.append(f"NOINLINE i32 h{at}(i32 x, i32 y, u32 n) {{ return {body}; }}")
        deeper = self.expression("i32", 2)
        self.scope = {
            "i64": ["s.a"],
            "f32": ["s.b"],
            "i32": ["s.c", "s.d[n & 3]", "t.a"],
            "u32": ["n", "t.b"],
        }
        return [
            *handlers,
            "static i32 (*const handlers[5])(i32, i32, u32) = {h3, h1, h4, h0, h2};",
            "NOINLINE i32 recurse(u32 n, i32 x, i32 y)",
            f"{{ return n == 0 ? x : (i32)((u32)recurse(n - 1, {deeper}, x) * 3u + n); }}",
            "NOINLINE struct large change(struct large s, struct small t, u32 n)",
            "{",
            f"    s.a = {self.expression('i64', 2)};",
            f"    s.b = {self.expression('f32', 2)};",
            f"    s.c = (i16){self.expression('i32', 2)};",
            f"    s.d[n & 3] = {self.expression('i32', 2)};",
            "    memmove(&s.d[1], &s.d[0], (n & 3) * sizeof s.d[0]);",
            "    return s;",
            "}",
            "",
        ]

    def run_all(self) -> list[str]:
        """Calls everything with several arguments and hands over what it gives."""
        lines = ["void run_all(void)", "{", "    struct large s = {1, 2.5f, -3, {4, 5, 6, 7, 8}};", ""]
        self.scope = {
            "u32": ["round * 2654435761u", "round"],
            "i32": ["(i32)round - 3"],
            "f32": ["(f32)round"],
        }
        lines.append("    for (u32 round = 0; round < 6; round++) {")
        for index, function in enumerate(self.functions):
            value = self.call(function, 0)
            value = f"bits({value})" if function.result == "f32" else f"(u64){value}"
            lines.append(f"        check({index}, {value});")
        lines += [
            f"        s = change(s, (struct small){{{self.constant('i32')}, round}}, round * 5 + 1);",
            "        check(0xa00, (u64)s.a);",
            "        check(0xa01, bits(s.b));",
            "        check(0xa02, (u64)(i64)s.c);",
            "        for (u32 i = 0; i < 5; i++)",
            "            check(0xa03 + i, (u64)(i64)s.d[i]);",
            "        for (u32 i = 0; i < 5; i++)",
            "            check(0xb00 + i, (u64)(i64)handlers[(i + round) % 5](s.d[i], s.c, round + i));",
            "        check(0xc00, (u64)(i64)recurse(3 + round * 5, s.d[0], (i32)round));",
            "    }",
            f"    for (u32 i = 0; i < {TABLE}; i++)",
            "        check(0xd00 + i, state[i]);",
            "}",
        ]
        return lines


def program(seed: int) -> str:
    """The text of the program with that number."""
    writer = _Writer(rng=random.Random(seed))
    tables = writer.tables()
    functions = [line for index in range(12) for line in writer.function(index)]
    return PRELUDE + "\n".join([*tables, *functions, *writer.special(), *writer.run_all()]) + "\n"
