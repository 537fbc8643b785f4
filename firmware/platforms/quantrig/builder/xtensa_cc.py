# SPDX-License-Identifier: Apache-2.0
"""A C compiler for the ESP32's core made of LLVM's separate tools; takes GCC's usual arguments.

clang 22 knows the architecture but not the CPU, and its own assembler refuses some of its output, so a
source takes the way that works: clang writes LLVM's intermediate language, the CPU's name is put into it,
llc makes assembly, llvm-mc the object. Assembly sources are preprocessed and assembled. What comes out
depends on the source and the flags only, not on folders.

`xtensa_cc.py --version` prints clang's version, and fails when LLVM is not of the release that was proved.
Stdlib only: PlatformIO's Python runs it.
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: The only release whose Xtensa code generator the differential test has passed (tests/fuzz).
LLVM_VERSION = "22.1"
CLANG, LLC, ASSEMBLER = "clang-22", "llc-22", "llvm-mc-22"
CPU = "esp32"

HEADERS = Path(__file__).resolve().parents[1] / "include" / "xtensa"
TARGET = ("--target=xtensa", "-nostdlibinc", "-isystem", str(HEADERS), "-fomit-frame-pointer")
OBJECT = ("-triple=xtensa", f"-mcpu={CPU}", "-filetype=obj")

_NUMBER = r"(0x[0-9A-F]{16}|[-+]?\d[-+.\de]*)"
_CHOICE = re.compile(
    rf"^( *)(%\S+) = select (?:[a-z]+ )*i1 (\S+), float {_NUMBER}, float {_NUMBER}(.*)$", re.MULTILINE
)
_CONVERSION = re.compile(r"^( *%\S+ = )([us])itofp (?:[a-z]+ )*i1 (\S+) to float", re.MULTILINE)

_DIVISION = re.compile(
    r"^( *)(%\S+) = ([us])(div|rem) (?:exact )?i(8|16|32) (\S+), (%[^\s,]+)(.*)$", re.MULTILINE
)


class UsageError(Exception):
    """Arguments, or tools, that this driver cannot work with."""


@dataclass(frozen=True, slots=True)
class Command:
    """One source to compile."""

    source: Path
    output: str
    options: tuple[str, ...]

    @property
    def level(self) -> str:
        """The last -O option; llc has no -Os."""
        chosen = [option for option in self.options if re.fullmatch(r"-O[0-3sz]?", option)]
        if not chosen or chosen[-1] == "-O0":
            raise UsageError("llc fails on some of clang's -O0 code: an optimisation level is needed")
        return chosen[-1] if chosen[-1] in ("-O1", "-O3") else "-O2"


def parse(arguments: Sequence[str]) -> Command:
    """Source, object and the options for clang, of arguments as SCons passes them."""
    sources: list[str] = []
    options: list[str] = []
    output = ""
    rest = iter(arguments)
    for word in rest:
        if word == "-o":
            output = next(rest, "")
        elif word in ("-I", "-D", "-U", "-x", "-include", "-isystem"):
            options += [word, next(rest, "")]
        elif word.startswith("-"):
            options += [word] if word != "-c" else []
        else:
            sources.append(word)
    if len(sources) != 1 or not output:
        raise UsageError(f"one source and -o OBJECT are needed, got {sources} and {output!r}")
    return Command(Path(sources[0]), output, tuple(options))


def compile_c(command: Command) -> str:
    """The assembly text of a C source."""
    clang = [CLANG, *TARGET, *command.options, "-S", "-emit-llvm", "-o", "-", str(command.source)]
    code = _run(clang, "")
    # the attribute of each function would win over llc's option
    code = code.replace('"target-cpu"="generic"', f'"target-cpu"="{CPU}"')
    code = re.sub(
        r'^source_filename = ".*"$', f'source_filename = "{command.source.name}"', code, flags=re.MULTILINE
    )
    code = divide_in_place(choose_bits(code))
    sections = [f"-{option[2:]}" for option in command.options if re.fullmatch(r"-f\w+-sections", option)]
    return _run([LLC, f"-mcpu={CPU}", command.level, *sections, "-o", "-", "-"], code)


def choose_bits(code: str) -> str:
    """Intermediate language that chooses between two float constants by their bits.

    llc makes such a choice a load from a table of constants, which its own selection then refuses. The
    conversion of a truth value is one, too.
    """
    one = {"u": "1.0", "s": "-1.0"}
    code = _CONVERSION.sub(
        lambda found: f"{found[1]}select i1 {found[3]}, float {one[found[2]]}, float 0.0", code
    )
    count = 0

    def by_bits(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        indent, name, condition, yes, no, rest = found.groups()
        bits = f"%qr.bits.{count}"
        choice = f"{indent}{bits} = select i1 {condition}, i32 {float_bits(yes)}, i32 {float_bits(no)}{rest}"
        return f"{choice}\n{indent}{name} = bitcast i32 {bits} to float"

    return _CHOICE.sub(by_bits, code)


def divide_in_place(code: str) -> str:
    """Intermediate language whose divisions stay where they are.

    llc takes the CPU's division for harmless and moves it out of loops, past the test that the divisor is
    not zero; but the CPU raises an exception. As volatile assembly it is left alone.
    """
    count = 0

    def fixed(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        indent, name, sign, kind, bits, dividend, divisor, rest = found.groups()
        operation = ("quo" if kind == "div" else "rem") + sign
        wide = [f"%qr.{part}.{count}" for part in ("dividend", "divisor", "result")]
        lines = []
        if bits == "32":
            wide = [dividend, divisor, name]
        else:
            extend = "sext" if sign == "s" else "zext"
            operands = zip(wide, (dividend, divisor), strict=False)
            lines = [f"{to} = {extend} i{bits} {value} to i32" for to, value in operands]
        lines.append(
            f'{wide[2]} = call i32 asm sideeffect "{operation} $0, $1, $2", "=r,r,r"'
            f"(i32 {wide[0]}, i32 {wide[1]}){rest}"
        )
        if bits != "32":
            lines.append(f"{name} = trunc i32 {wide[2]} to i{bits}")
        return "\n".join(indent + line for line in lines)

    return _DIVISION.sub(fixed, code)


def float_bits(text: str) -> int:
    """The 32 bits of a float constant: LLVM writes it as a decimal, or as the bits of the equal double."""
    value = struct.unpack(">d", bytes.fromhex(text[2:]))[0] if text.startswith("0x") else float(text)
    return int.from_bytes(struct.pack(">f", value), "big")


def preprocess(command: Command) -> str:
    """The assembly text of a .S source, without the preprocessor's notes of where it found what."""
    options = [word for word in command.options if word not in ("-x", "assembler-with-cpp")]
    return _run([CLANG, *TARGET, *options, "-E", "-P", "-x", "assembler-with-cpp", str(command.source)], "")


def version() -> str:
    """The first line of clang's version.

    Raises:
        UsageError: one of the tools is of another release than `LLVM_VERSION`.
    """
    shown = {tool: _run([tool, "--version"], "") for tool in (CLANG, LLC, ASSEMBLER)}
    for tool, text in shown.items():
        found = re.search(r"\bversion (\d+\.\d+)", text)
        release = found[1] if found else "(unknown)"
        if release != LLVM_VERSION:
            raise UsageError(
                f"{tool} is of LLVM {release}, and {LLVM_VERSION} is needed: its code generator for Xtensa is"
                " experimental, and the differential test (tests/fuzz) has proved that release only;"
                " Debian 12 has it as clang-22 and llvm-22"
            )
    return shown[CLANG].partition("\n")[0]


def _run(argv: Sequence[str], text: str) -> str:
    """Output of a tool that reads `text`; ends the program when the tool fails, which said why."""
    done = subprocess.run(argv, input=text, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode < 0:
        raise UsageError(f"{argv[0]} was ended by signal {-done.returncode}")
    if done.returncode != 0:
        raise SystemExit(1)
    return done.stdout


def main(arguments: Sequence[str]) -> int:
    """Compile or assemble, or print the version."""
    try:
        if "--version" in arguments:
            print(version())
            return 0
        command = parse(arguments)
        text = preprocess(command) if command.source.suffix == ".S" else compile_c(command)
        _run([ASSEMBLER, *OBJECT, "-o", command.output, "-"], text)
    except UsageError as error:
        sys.stderr.write(f"xtensa_cc: {error}.\n")
        return 1
    except FileNotFoundError as error:
        sys.stderr.write(f"xtensa_cc: {error.filename} not found: `apt-get install clang-22 llvm-22`.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
