# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from harness.suggest import nearest


def test_nearest() -> None:
    assert nearest("x", []) == "There are none."
    assert nearest("unno", ["uno", "due"]) == "Did you mean 'uno'?"
    assert nearest("zzz", ["uno", "due"]) == "Known: due, uno."
