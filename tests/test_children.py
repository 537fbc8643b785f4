# SPDX-License-Identifier: Apache-2.0
"""Children end with us: real processes, real SIGKILL, looked for in the process table afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness import children
from harness.errors import UnavailableError

PYTHON = sys.executable

# A program with a child and a grandchild; each writes its process id as a line of the file argv[1].
FAMILY = """
import os, sys, time
for _ in range(2):
    if os.fork():
        break
with open(sys.argv[1], "a") as out:
    out.write(f"{os.getpid()}\\n")
time.sleep(600)
"""

# A harness: starts the family (argv[2] is its text, argv[3] the file) and stays, or ends as argv[1] says.
HARNESS = """
import os, sys, threading, time
from harness import children
def start():
    return children.spawn([sys.executable, "-c", sys.argv[2], sys.argv[3]])
if sys.argv[1] == "thread":
    box = []
    thread = threading.Thread(target=lambda: box.append(start()))
    thread.start(); thread.join()
else:
    child = start()
if sys.argv[1] == "fork" and os.fork() == 0:
    time.sleep(8)
    os._exit(0)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.strip().startswith("Z")


def pids(file: Path, count: int) -> list[int]:
    """The `count` process ids that a family writes, once they are all there."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) == count:
            return [int(line) for line in lines]
        time.sleep(0.01)
    raise AssertionError(f"the family did not start: {file}")


def assert_end(processes: list[int], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while any(alive(pid) for pid in processes):
        assert time.monotonic() < deadline, [pid for pid in processes if alive(pid)]
        time.sleep(0.02)


@pytest.mark.parametrize("how", ["plain", "thread", "fork"])
def test_everything_ends_when_the_harness_is_killed(tmp_path: Path, how: str) -> None:
    """`fork`: a forked copy of the harness keeps its end of the socket open."""
    file = tmp_path / "pids"
    root = Path(children.__file__).parents[1]
    harness = subprocess.Popen([PYTHON, "-c", HARNESS, how, FAMILY, str(file)], cwd=root)
    family = pids(file, 3)
    assert all(alive(pid) for pid in family)
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    assert_end(family, 5)


def test_a_child_started_by_a_thread_outlives_that_thread(tmp_path: Path) -> None:
    """A parent-death signal would kill it here, which is why none is used."""
    box: list[children.Child] = []
    thread = threading.Thread(target=lambda: box.append(children.spawn(["sleep", "600"])))
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert box[0].poll() is None
    box[0].kill()


def test_kill_ends_grandchildren(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    with children.spawn([PYTHON, "-c", FAMILY, file]) as child:
        family = pids(file, 3)
    assert child.returncode == -signal.SIGKILL
    assert_end(family, 1)
    child.kill()


def test_a_program_that_ends_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    done = children.run(["sh", "-c", 'sleep 600 & echo $! > "$0"; exit 3', file], timeout_s=10)
    assert done.returncode == 3
    assert_end(pids(file, 1), 1)


def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    child = children.spawn([PYTHON, "-c", FAMILY, file])
    family = pids(file, 3)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(5) == -signal.SIGKILL
    assert_end(family, 1)


@pytest.mark.parametrize(
    ("program", "expected"),
    [(["true"], 0), (["sh", "-c", "exit 77"], 77), (["sh", "-c", "kill -TERM $$"], -signal.SIGTERM)],
)
def test_exit_codes(program: list[str], expected: int) -> None:
    child = children.spawn(program)
    assert child.wait(10) == expected
    assert child.poll() == expected
    assert child.wait() == expected


def test_wait_times_out_and_poll_does_not_block() -> None:
    with children.spawn(["sleep", "600"]) as child:
        assert child.poll() is None
        for timeout_s in (0.05, 0):
            with pytest.raises(TimeoutError):
                child.wait(timeout_s)


def test_pipes_carry_bytes_and_end_of_file() -> None:
    child = children.spawn(["cat"], stdin=children.PIPE, stdout=children.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(bytes(range(256)))
    assert child.stdout.read(256) == bytes(range(256))
    child.stdin.close()
    assert child.stdout.read() == b""
    assert child.wait(5) == 0
    child.kill()


def test_a_program_finds_sigpipe_at_its_default() -> None:
    """Python ignores it, and what is ignored is inherited."""
    done = children.run(["sh", "-c", "kill -PIPE $$; echo survived"], timeout_s=10)
    assert done.returncode == -signal.SIGPIPE
    assert "survived" not in done.output


def test_run_appends_to_the_log_and_returns_only_its_own_output(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    done = children.run(["sh", "-c", "echo out; echo err >&2; pwd"], timeout_s=10, log=log, cwd=tmp_path)
    assert (done.returncode, done.timed_out) == (0, False)
    assert done.output == f"out\nerr\n{tmp_path}\n"
    assert log.read_text() == "before\n" + done.output


def test_run_gives_only_the_environment_it_was_given(tmp_path: Path) -> None:
    done = children.run(["env"], timeout_s=10, env={"PATH": os.environ["PATH"], "A": "b"})
    assert {line.split("=")[0] for line in done.output.splitlines()} <= {"PATH", "A", "LC_CTYPE"}
    assert "A=b" in done.output


def test_run_kills_after_its_time() -> None:
    began = time.monotonic()
    done = children.run(["sh", "-c", "printf '\\377'; sleep 600"], timeout_s=0.3)
    assert done.timed_out
    assert done.returncode == -signal.SIGKILL
    assert done.output == "\N{REPLACEMENT CHARACTER}"
    assert time.monotonic() - began < 5


def test_a_missing_program_says_what_to_do() -> None:
    with pytest.raises(UnavailableError, match=r"no-such-program.*doctor"):
        children.spawn(["no-such-program"])


def test_a_file_that_is_no_program_ends_with_127(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    done = children.run([broken], timeout_s=10)
    assert done.returncode == 127
    assert "cannot start" in done.output
