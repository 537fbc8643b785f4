# SPDX-License-Identifier: Apache-2.0
"""Every error of quantrig: what happened, the likely cause, what to change.

An error that concerns one case carries the status and reason code of the row that it becomes
(see docs/RESULTS.md); an error that concerns the whole command carries its exit code. Only `cli`
prints them and only `cli` exits.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import ClassVar


class ReasonCode(enum.StrEnum):
    """Why a case has no result (docs/RESULTS.md says what to do about each)."""

    # what may happen to a board, or to what stands in for one
    BUILD = "build"
    UPLOAD = "upload"
    NO_BOARD = "no-board"
    BUSY = "busy"
    NO_REPLY = "no-reply"
    WRONG_FIRMWARE = "wrong-firmware"
    LINK = "link"
    RESET = "reset"
    HANG = "hang"
    FAULT = "fault"
    MISMATCH = "mismatch"
    # before any board is asked
    CONFIG = "config"
    MODEL = "model"
    UNSUPPORTED = "unsupported"
    UNAVAILABLE = "unavailable"
    DOES_NOT_FIT = "does-not-fit"
    QUANTIZE = "quantize"
    QUARANTINED = "quarantined"
    # around it
    TARGET = "target"
    ORACLE = "oracle"
    STACK = "stack"
    INTERNAL = "internal"


class QuantrigError(Exception):
    """Base of all. `str(error)` is the whole message: what, cause, fix, each a sentence."""

    exit_code: ClassVar[int] = 1
    status: ClassVar[str] = "failed"
    reason_code: ClassVar[ReasonCode] = ReasonCode.INTERNAL

    def __init__(self, what: str, *, cause: str = "", fix: str = "") -> None:
        self.what = what
        self.cause = cause
        self.fix = fix
        super().__init__(" ".join(part for part in (what, cause, fix) if part))


class ConfigError(QuantrigError):
    """The user's YAML, spec, option or results folder is wrong (user's fault)."""

    exit_code = 2
    reason_code = ReasonCode.CONFIG


class ModelError(QuantrigError):
    """A model or data file cannot be read or is malformed (the file's fault)."""

    exit_code = 3
    reason_code = ReasonCode.MODEL


class UnsupportedError(QuantrigError):
    """The model asks for something that the engine or board cannot do."""

    exit_code = 3
    status = "unsupported"
    reason_code = ReasonCode.UNSUPPORTED


class UnavailableError(QuantrigError):
    """A tool or board is not on this machine; the fix names the command that installs it."""

    exit_code = 4
    status = "unavailable"
    reason_code = ReasonCode.UNAVAILABLE


class DoesNotFitError(QuantrigError):
    """The firmware needs more of a memory region than the board has. A result, not a fault."""

    status = "does-not-fit"
    reason_code = ReasonCode.DOES_NOT_FIT

    def __init__(
        self,
        *,
        region: str,
        needed_bytes: int,
        available_bytes: int,
        detail: str = "",
        sizes: Mapping[str, int] | None = None,
        toolchain: str | None = None,
    ) -> None:
        self.region = region
        self.needed_bytes = needed_bytes
        self.available_bytes = available_bytes
        self.sizes = sizes
        """All sizes of the firmware, where it could be linked without limits."""
        self.toolchain = toolchain
        tail = f" ({detail})" if detail else ""
        super().__init__(
            f"{region}: needs {needed_bytes} bytes, the board has {available_bytes}"
            f" ({needed_bytes - available_bytes} too many){tail}."
        )


class QuantizeError(QuantrigError):
    """Training or conversion of a variant failed."""

    reason_code = ReasonCode.QUANTIZE


class BuildError(QuantrigError):
    """The toolchain refused the generated firmware (our fault or the toolchain's)."""

    reason_code = ReasonCode.BUILD


class UploadError(QuantrigError):
    """A board could not be flashed."""

    reason_code = ReasonCode.UPLOAD


class TargetError(QuantrigError):
    """The emulator or process under the firmware did not start or ended early."""

    reason_code = ReasonCode.TARGET


class PortBusyError(QuantrigError):
    """Somebody else holds the serial port."""

    exit_code = 4
    reason_code = ReasonCode.BUSY


class NoBoardError(UnavailableError):
    """The board is not plugged in: nothing was begun."""

    reason_code = ReasonCode.NO_BOARD


class LineLostError(QuantrigError):
    """The board went away in the middle of its case: unplugged, or its USB bridge reset."""

    reason_code = ReasonCode.NO_BOARD


class DeviceResetError(QuantrigError):
    """The device restarted in the middle of its case."""

    reason_code = ReasonCode.RESET


class HangError(QuantrigError):
    """The device answered, then no longer."""

    reason_code = ReasonCode.HANG


class DeviceFaultError(QuantrigError):
    """The device's CPU stopped in its fault handler and said where."""

    reason_code = ReasonCode.FAULT

    def __init__(self, *, pc: int, lr: int, syndrome: int, function: str | None = None) -> None:
        self.pc = pc
        """Address of the instruction that faulted; 0: the device could not read it."""
        self.lr = lr
        self.syndrome = syndrome
        """What the CPU calls the cause: CFSR of a Cortex-M, EXCCAUSE of an Xtensa core."""
        if pc:
            where = f" in {function}()" if function else ""
            what = f"The device's CPU faulted at {pc:#010x}{where}, called from {lr:#010x}"
            cause = "The firmware touched memory that is not there, or ran past its stack or code."
        else:
            what = "The device's CPU faulted, and could not tell where"
            cause = "Its stack pointer was outside of the memory: most likely the stack overflowed."
        super().__init__(
            f"{what} (syndrome {syndrome:#010x}).",
            cause=cause,
            fix="Please report it with the case's log and the .tflite.",
        )


class LocalProtocolError(QuantrigError):
    """The harness broke the link protocol (our bug)."""

    reason_code = ReasonCode.LINK


class RemoteProtocolError(QuantrigError):
    """The device broke the link protocol and retries did not help."""

    reason_code = ReasonCode.LINK


class NoReplyError(QuantrigError):
    """The device did not answer within its time, retries included."""

    reason_code = ReasonCode.NO_REPLY


class WrongFirmwareError(QuantrigError):
    """The device runs another firmware than the one just built."""

    reason_code = ReasonCode.WRONG_FIRMWARE


class OracleError(QuantrigError):
    """The independent interpreter itself fails, so nothing can be verified."""

    reason_code = ReasonCode.ORACLE


class StackBoundError(QuantrigError):
    """The measured stack is deeper than the bound that was computed for the firmware."""

    reason_code = ReasonCode.STACK


class MismatchError(QuantrigError):
    """Outputs of the device differ from the reference interpreter's."""

    reason_code = ReasonCode.MISMATCH


class RunBusyError(QuantrigError):
    """Another process is writing this results folder."""

    exit_code = 4
    reason_code = ReasonCode.BUSY
