# SPDX-License-Identifier: Apache-2.0
"""The host end of the hex-with-acknowledgement scheme in common use, as MLPerf Tiny's runner speaks it.

One sample of its accuracy mode: `db load N%`, `db HH...%` with 31 bytes each, `infer 1 0%`; after each the
host waits for the line that holds `m-ready`, and goes on the moment it has come.
"""

from __future__ import annotations

import re
from typing import Final

from harness.link import Transport

#: What fits into one command of the device's 80 bytes where no power manager takes its share.
BYTES_PER_COMMAND: Final = 31

_RESULTS: Final = re.compile(r"^m-results-\[([^]]+)\]$")
_TIMEOUT_S: Final = 5.0


class HexHost:
    """One host, driven by what arrives."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._received = b""

    def infer(self, data: bytes) -> list[float]:
        """Load one input, run the model once, return the outputs with the three decimals they come with."""
        self._command(f"db load {len(data)}")
        for at in range(0, len(data), BYTES_PER_COMMAND):
            lines = self._command(f"db {data[at : at + BYTES_PER_COMMAND].hex()}")
        assert lines == ["m-load-done", "m-ready"]
        found = [match for line in self._command("infer 1 0") if (match := _RESULTS.match(line))]
        assert len(found) == 1
        return [float(number) for number in found[0][1].split(",")]

    def _command(self, text: str) -> list[str]:
        """Send one command; the lines of its reply."""
        self._transport.write(f"{text}%".encode())
        lines: list[str] = []
        while not lines or "m-ready" not in lines[-1]:
            lines.append(self._line())
        errors = [line for line in lines if line.startswith("e-")]
        assert not errors, errors
        return lines

    def _line(self) -> str:
        while b"\n" not in self._received:
            data = self._transport.read(_TIMEOUT_S)
            assert data, "the hex device fell silent"
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return line.decode().rstrip("\r")
