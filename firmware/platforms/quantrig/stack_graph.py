# SPDX-License-Identifier: Apache-2.0
"""The call graph of a program, and its circles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Node:
    name: str
    frame: int
    compiled: bool  # by us, with a .su line: its frame is gone when it jumps to another function
    calls: set[str] = field(default_factory=set)
    jumps: set[str] = field(default_factory=set)
    indirect: str = ""


@dataclass(slots=True)
class Components:
    """Strongly connected components, callees first (Tarjan's algorithm without recursion)."""

    nodes: dict[str, Node]
    found: list[list[str]] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)
    low: dict[str, int] = field(default_factory=dict)
    stack: list[str] = field(default_factory=list)
    done: set[str] = field(default_factory=set)

    def visit(self, root: str) -> None:
        """Adds the components reachable from `root` that are not in `found` yet."""
        work = [] if root in self.index else [(root, self._open(root))]
        while work:
            name, targets = work[-1]
            target = next(targets, None)
            if target is None:
                work.pop()
                self._close(name, work[-1][0] if work else name)
            elif target not in self.index:
                work.append((target, self._open(target)))
            elif target not in self.done:
                self.low[name] = min(self.low[name], self.index[target])

    def _open(self, name: str) -> Iterator[str]:
        self.index[name] = self.low[name] = len(self.index)
        self.stack.append(name)
        return iter(sorted(self.nodes[name].calls | self.nodes[name].jumps))

    def _close(self, name: str, caller: str) -> None:
        self.low[caller] = min(self.low[caller], self.low[name])
        if self.low[name] == self.index[name]:
            cut = self.stack.index(name)
            self.found.append(self.stack[cut:])
            self.done.update(self.stack[cut:])
            del self.stack[cut:]
