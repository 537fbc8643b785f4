# SPDX-License-Identifier: Apache-2.0
"""A line without a rate as one that has one."""

from __future__ import annotations

from typing import Any

from harness.link.transport import Transport


class Retuned:
    """A transport that takes every rate and keeps a list of them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.rates: list[int] = []

    def set_baud(self, baud: int) -> None:
        self.rates.append(baud)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
