# SPDX-License-Identifier: Apache-2.0
"""Every error of quantrig: what happened, the likely cause, what to change.

An error that concerns one case carries the status and reason code of the row that it becomes
(see docs/RESULTS.md); an error that concerns the whole command carries its exit code. Only `cli`
prints them and only `cli` exits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class QuantrigError(Exception):
    """Base of all. `str(error)` is the whole message: what, cause, fix, each a sentence."""

    exit_code: ClassVar[int] = 1
    status: ClassVar[str] = "failed"
    reason_code: ClassVar[str] = "internal"

    def __init__(self, what: str, *, cause: str = "", fix: str = "") -> None:
        self.what = what
        self.cause = cause
        self.fix = fix
        super().__init__(" ".join(part for part in (what, cause, fix) if part))


class ConfigError(QuantrigError):
    """The user's YAML, spec, option or results folder is wrong (user's fault)."""

    exit_code = 2
    reason_code = "config"


class ModelError(QuantrigError):
    """A model or data file cannot be read or is malformed (the file's fault)."""

    exit_code = 3
    reason_code = "model"


class UnsupportedError(QuantrigError):
    """The model asks for something that the engine or board cannot do."""

    exit_code = 3
    status = "unsupported"
    reason_code = "unsupported"


class UnavailableError(QuantrigError):
    """A tool or board is not on this machine; the fix names the command that installs it."""

    exit_code = 4
    status = "unavailable"
    reason_code = "unavailable"


class DoesNotFitError(QuantrigError):
    """The firmware needs more of a memory region than the board has. A result, not a fault."""

    status = "does-not-fit"
    reason_code = "does-not-fit"

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

    reason_code = "quantize"


class BuildError(QuantrigError):
    """The toolchain refused the generated firmware (our fault or the toolchain's)."""

    reason_code = "build"


class UploadError(QuantrigError):
    """A board could not be flashed."""

    reason_code = "upload"


class TargetError(QuantrigError):
    """The emulator or process under the firmware did not start or ended early."""

    reason_code = "target"


class PortBusyError(QuantrigError):
    """Somebody else holds the serial port."""

    exit_code = 4
    reason_code = "busy"


class LocalProtocolError(QuantrigError):
    """The harness broke the link protocol (our bug)."""

    reason_code = "link"


class RemoteProtocolError(QuantrigError):
    """The device broke the link protocol and retries did not help."""

    reason_code = "link"


class NoReplyError(QuantrigError):
    """The device did not answer within its time, retries included."""

    reason_code = "no-reply"


class WrongFirmwareError(QuantrigError):
    """The device runs another firmware than the one just built."""

    reason_code = "wrong-firmware"


class OracleError(QuantrigError):
    """The independent interpreter itself fails, so nothing can be verified."""

    reason_code = "oracle"


class StackBoundError(QuantrigError):
    """The measured stack is deeper than the bound that was computed for the firmware."""

    reason_code = "stack"


class MismatchError(QuantrigError):
    """Outputs of the device differ from the reference interpreter's."""

    reason_code = "mismatch"


class RunBusyError(QuantrigError):
    """Another process is writing this results folder."""

    exit_code = 4
    reason_code = "busy"
