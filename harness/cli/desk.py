# SPDX-License-Identifier: Apache-2.0
"""`quantrig boards` and `quantrig doctor`: what is here."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli.console import PATH, PLAIN, open_console, say


@click.command()
@click.option("--boards", "boards_file", type=PATH, help="A file of your own boards, beside ours.")
@click.option("--map", "map_file", type=PATH, help="The boards of your desk [default: hardware-map.yaml].")
@click.option("--write-map", is_flag=True, help="Add what is plugged in to that file, or make it.")
def boards(boards_file: Path | None, map_file: Path | None, write_map: bool) -> None:
    """Show what boards.yaml knows, which emulators are here, and what is plugged in."""
    from harness import hardware_map
    from harness.boards import load_boards
    from harness.desk_view import attached, description, desk_lines, ready_lanes
    from harness.serial_ports import serial_ports

    known, plugged = load_boards(boards_file), serial_ports()
    desk = hardware_map.load_map(map_file, known, new=write_map)
    console = open_console()
    if write_map:
        text, changes = desk.updated(plugged, known)
        if changes:
            hardware_map.write_map(desk.path, text)
        desk = hardware_map.load_map(desk.path, known)
        for change in changes or ("nothing to change",):
            console.print(f"{desk.path}: {change}", **PLAIN)
    lanes = {
        board.name: ready_lanes(board, *attached(board, known, desk, plugged)) for board in known.values()
    }
    width = max(len(f"{board}:{target}") for board, found in lanes.items() for target, _ in found)
    for board in known.values():
        console.print(f"{board.name}  {board.title}: {description(board)}", style="bold", **PLAIN)
        for target, reason in lanes[board.name]:
            console.print(f"  {f'{board.name}:{target}':{width}}  {reason or 'ready'}", **PLAIN)
    reasons = [reason for found in lanes.values() for _, reason in found]
    ready = reasons.count(None)
    console.print(f"\n{len(known)} boards, {len(reasons)} lanes, {ready} of them ready here\n", **PLAIN)
    for line in desk_lines(known, desk, plugged):
        console.print(line, **PLAIN)


@click.command()
@click.option("--boards", "boards_file", type=PATH, help="A file of your own boards, beside ours.")
@click.option("--map", "map_file", type=PATH, help="The boards of your desk [default: hardware-map.yaml].")
def doctor(boards_file: Path | None, map_file: Path | None) -> None:
    """Say what is missing on this machine for which lane, and the command that installs it; then what would
    trip the boards that are plugged in.

    Exit code 4 if a lane of the default sweep cannot run.
    """
    from harness.boards import load_boards
    from harness.desk_view import attached, ready_lanes
    from harness.hardware_map import load_map
    from harness.serial_ports import serial_ports
    from harness.sweep import DEFAULT_LANES
    from harness.traps import find_traps

    console = open_console()
    known, plugged = load_boards(boards_file), serial_ports()
    desk = load_map(map_file, known)
    default = {(lane.board, lane.target) for lane in DEFAULT_LANES}
    broken = 0
    for board in known.values():
        for target, reason in ready_lanes(board, *attached(board, known, desk, plugged)):
            in_default = (board.name, target) in default
            broken += bool(reason and in_default)
            mark = "ready  " if reason is None else "MISSING" if in_default else "-      "
            text = f"{mark} {board.name}:{target}{f'  {reason}' if reason else ''}"
            console.print(text, **PLAIN)
    for trap in find_traps(plugged, known):
        console.print(f"TRAP    {trap.what}\n        {trap.fix}", **PLAIN)
    if broken:
        say(f"{broken} lanes of the default sweep cannot run here.")
        sys.exit(4)
    console.print("The default sweep can run.", highlight=False)
