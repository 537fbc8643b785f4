# SPDX-License-Identifier: Apache-2.0
"""The device's own rules, which no correct host puts to the test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.link.frames import Frame, encode
from tests.link.memory_device import FAKE_BYTES, MemoryDevice, fake_ticks, replies_in


def ask(device: MemoryDevice, kind: int, sequence: int, body: str = "") -> str:
    """The device's replies to one request, as `type:body` in hex."""
    answer = device.serve(encode(Frame(type=kind, sequence=sequence, body=bytes.fromhex(body))))
    return " ".join(f"{frame.type:02x}:{frame.body.hex()}" for frame in replies_in(answer))


ALL_INPUTS = [(2, "00 00000000" + "01" * 16), (2, "01 00000000" + "02" * 5)]


def open_session(device: MemoryDevice, sequence: int = 10) -> None:
    assert ask(device, 1, sequence, "02 44332211 0000 0000").startswith("81:0244332211")


def write_inputs(device: MemoryDevice, sequence: int) -> None:
    for kind, body in ALL_INPUTS:
        assert ask(device, kind, sequence, body) == "82:"
        sequence += 1


@pytest.mark.parametrize("kind", [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
def test_before_hello_nothing_else_is_served(device: MemoryDevice, kind: int) -> None:
    assert ask(device, kind, 1) == "ff:0602"


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        (0, "", 2),
        (0x10, "", 2),
        (0x7F, "", 2),
        (1, "", 3),
        (1, "03 44332211 0000 0000", 7),
        (1, "02 44332211 0000", 3),
        (1, "02 44332211 0001 0000", 4),
        (2, "00 00000000", 3),
        (2, "02 00000000 aa", 4),
        (2, "00 10000000 aa", 4),
        (2, "00 00000000" + "aa" * 17, 4),
        (2, "00 ffffffff aaaa", 4),
        (2, "00 01000000 aa", 8),
        (2, "01 00000000 aa", 8),
        (3, "", 3),
        (3, "00", 3),
        (3, "0000", 9),
        (3, "0000 00 00000000", 3),
        (3, "0000 02 00000000 aa", 4),
        (3, "0000 00 10000000 aa", 4),
        (3, "0000 00 01000000 aa", 8),
        (3, "0000 00 00000000" + "aa" * 16, 9),
        (4, "00 00000000 0100", 10),
        (4, "00 00000000", 3),
        (5, "00", 3),
        (6, "", 3),
        (6, "00000000", 4),
        (7, "", 3),
        (7, "81841e00", 4),
        (9, "00", 3),
        (10, "0000", 2),
        (11, "00000000 0100", 2),
        (12, "", 2),
    ],
)
def test_refusals(device: MemoryDevice, kind: int, body: str, code: int) -> None:
    open_session(device)
    assert ask(device, kind, 11, body) == f"ff:{code:02x}02"
    assert device.runs == 0


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ("00 00000000 1000", "84:" + "02" * 16),
        ("01 04000000 0100", "84:04"),
        ("01 05000000 0000", "84:"),
        ("01 05000000 0100", "ff:0402"),
        ("02 00000000 0100", "ff:0402"),
        ("00 ffffffff 0200", "ff:0402"),
    ],
)
def test_reading_outputs(device: MemoryDevice, body: str, reply: str) -> None:
    open_session(device)
    write_inputs(device, 11)
    assert (
        ask(device, 3, 13, "0000")
        == f"90: 83:{fake_ticks([bytes([1] * 16), bytes([2] * 5)]).to_bytes(8, 'little').hex()}00"
    )
    assert ask(device, 4, 14, body) == reply


def test_a_repeated_infer_gets_the_kept_reply_and_may_ask_for_less(device: MemoryDevice) -> None:
    open_session(device)
    write_inputs(device, 11)
    first = ask(device, 3, 13, "ffff")
    assert first.startswith("90: 83:")
    assert ask(device, 3, 13, "ffff") == first.removeprefix("90: ")
    assert ask(device, 3, 13, "0200") == first.removeprefix("90: ")[: 3 + 18 + 4]
    assert device.runs == 1


def test_inputs_are_consumed(device: MemoryDevice) -> None:
    open_session(device)
    write_inputs(device, 11)
    assert ask(device, 3, 13, "0000").startswith("90: 83:")
    assert ask(device, 3, 14, "0000") == "ff:0902"
    assert ask(device, *(2, 15, ALL_INPUTS[0][1])) == "82:"
    assert ask(device, 3, 16, "0000") == "ff:0902"
    # and the outputs are gone with the first byte of the next input
    assert ask(device, 4, 17, "00 00000000 0100") == "ff:0a02"
    assert device.runs == 1


def test_a_new_sample_begins_anew(device: MemoryDevice) -> None:
    """Half of one sample and half of another are no sample."""
    open_session(device)
    write_inputs(device, 11)
    assert ask(device, 2, 13, "00 00000000 03") == "82:"
    assert ask(device, 3, 14, "0000") == "ff:0902"


def test_late_and_false_copies_are_refused(device: MemoryDevice) -> None:
    open_session(device)
    write_inputs(device, 11)
    assert ask(device, 2, 11, "00 00000000 77") == "ff:0502"  # an earlier number
    assert ask(device, 2, 12, "01 00000000 77") == "ff:0502"  # the last number, another content
    assert ask(device, 5, 12) == "ff:0502"  # the last number, another type
    assert ask(device, 1, 9, "02 44332211 0000 0000") == "ff:0502"  # a late HELLO of this session
    assert ask(device, 3, 13, "0000").startswith("90: 83:")
    assert ask(device, 3, 0x8000 + 14, "0000") == "ff:0502"  # half way round the circle is behind
    assert ask(device, 5, 0x7000).startswith("85:")


def test_a_new_nonce_opens_a_new_session_at_any_number(device: MemoryDevice) -> None:
    open_session(device)
    write_inputs(device, 11)
    assert ask(device, 1, 3, "02 00000000 0000 0000").startswith("81:")
    assert ask(device, 3, 4, "0000") == "ff:0902"


def test_replies_and_echoes_are_not_answered(device: MemoryDevice) -> None:
    open_session(device)
    assert ask(device, 0xFF, 11) == ""
    assert ask(device, 0x81, 11) == ""


# --- inputs that come with INFER -------------------------------------------------------------------------


SECOND = "01 00000000" + "02" * 5
TICKS = fake_ticks([bytes([1] * 16), bytes([2] * 5)]).to_bytes(8, "little").hex()


def test_infer_brings_the_last_piece(device: MemoryDevice) -> None:
    open_session(device)
    assert ask(device, 2, 11, ALL_INPUTS[0][1]) == "82:"
    assert ask(device, 3, 12, "ffff" + SECOND) == f"90: 83:{TICKS}00" + "02" * 16 + "04" * 5
    # asked again with or without it
    assert ask(device, 3, 12, "0000" + SECOND) == f"83:{TICKS}00"
    assert ask(device, 3, 12, "0100") == f"83:{TICKS}0002"
    assert device.runs == 1


def test_what_did_not_run_never_runs_under_that_number(device: MemoryDevice) -> None:
    """The host asks without the inputs whether it ran, and goes on if not: a late copy changes nothing."""
    open_session(device)
    write_inputs(device, 11)
    assert ask(device, 3, 13, "0000").startswith("90: 83:")
    assert ask(device, 2, 14, ALL_INPUTS[0][1]) == "82:"
    assert ask(device, 3, 15, "0000") == "ff:0902"
    assert ask(device, 3, 15, "0000" + SECOND) == "ff:0902"
    # not even the result before is given out for it
    assert ask(device, 3, 15, "ffff") == "ff:0902"
    assert ask(device, 4, 16, "00 00000000 0100") == "ff:0a02"
    assert ask(device, 3, 17, "0000" + SECOND) == f"90: 83:{TICKS}00"
    assert device.runs == 2


def test_a_refused_infer_takes_the_last_outputs_with_it(device: MemoryDevice) -> None:
    open_session(device)
    write_inputs(device, 11)
    assert ask(device, 3, 13, "0000").startswith("90: 83:")
    assert ask(device, 4, 14, "00 00000000 0100") == "84:02"
    assert ask(device, 3, 15, "0000") == "ff:0902"
    assert ask(device, 3, 15, "0000") == "ff:0902"
    assert ask(device, 4, 16, "00 00000000 0100") == "ff:0a02"


# --- windows ---------------------------------------------------------------------------------------------


def xorshift_bytes(count: int) -> bytes:
    """What int8 inputs are filled with."""
    state, data = 0x9E3779B9, b""
    while len(data) < count:
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        data += state.to_bytes(4, "little")
    return data[:count]


def window_ticks(count: int, sizes: tuple[int, ...] = FAKE_BYTES) -> int:
    """What the fake clock shows for so many runs on those."""
    return count * fake_ticks([xorshift_bytes(size) for size in sizes]) % 2**64


def test_a_window_runs_the_model_so_often_on_the_same_inputs(device: MemoryDevice) -> None:
    open_session(device)
    for number, (count, runs) in enumerate([(1, 1), (3, 4), (258, 262)]):
        body = count.to_bytes(4, "little").hex()
        ticks = window_ticks(count).to_bytes(8, "little").hex()
        assert ask(device, 6, 11 + number, body) == f"90: 86:{ticks}00"
        assert ask(device, 6, 11 + number, body) == f"86:{ticks}00"
        assert device.runs == runs
    assert ask(device, 6, 13, "01000000") == "ff:0502"
    assert ask(device, 5, 14)[:43] == "85:41010000" + "41010000" + "0000" * 2 + "06010000" + "0" * 8


def test_a_window_leaves_neither_inputs_nor_outputs(device: MemoryDevice) -> None:
    open_session(device)
    write_inputs(device, 11)
    assert ask(device, 6, 13, "01000000").startswith("90: 86:")
    assert ask(device, 4, 14, "00 00000000 0100") == "ff:0a02"
    assert ask(device, 3, 15, "0000") == "ff:0902"
    assert device.runs == 1


# --- variables -------------------------------------------------------------------------------------------


@pytest.fixture
def stateful(make_device: Callable[..., MemoryDevice]) -> MemoryDevice:
    """Adds to every output how many inferences came before it since the last reset."""
    device = make_device(QR_FRAME_BYTES=124, FAKE_STATE=1)
    open_session(device)
    return device


def first_output(device: MemoryDevice, sequence: int) -> int:
    """The first output byte of an inference on ALL_INPUTS, without what the inputs make of it."""
    write_inputs(device, sequence)
    return int(ask(device, 3, sequence + 2, "0100")[-2:], 16) - 2


def test_variables_go_on_from_inference_to_inference(stateful: MemoryDevice) -> None:
    assert [first_output(stateful, sequence) for sequence in (11, 14, 17)] == [0, 1, 2]


def test_a_repeated_infer_leaves_variables_alone(stateful: MemoryDevice) -> None:
    assert first_output(stateful, 11) == 0
    assert [ask(stateful, 3, 13, "0100")[-2:] for _ in range(3)] == ["02"] * 3
    assert first_output(stateful, 14) == 1


def test_reset_puts_variables_back_and_can_be_repeated(stateful: MemoryDevice) -> None:
    assert [first_output(stateful, sequence) for sequence in (11, 14)] == [0, 1]
    assert ask(stateful, 9, 17) == ask(stateful, 9, 17) == "89:"
    assert ask(stateful, 4, 18, "00 00000000 0100") == "ff:0a02"
    assert first_output(stateful, 19) == 0


def test_inputs_outlive_a_reset(stateful: MemoryDevice) -> None:
    write_inputs(stateful, 11)
    assert ask(stateful, 9, 13) == "89:"
    assert ask(stateful, 3, 14, "0100").endswith("02")


def test_a_new_session_finds_variables_at_their_start(stateful: MemoryDevice) -> None:
    assert first_output(stateful, 11) == 0
    open_session(stateful, sequence=14)
    assert first_output(stateful, 15) == 1
    assert ask(stateful, 1, 3, "02 00000000 0000 0000").startswith("81:")
    assert first_output(stateful, 4) == 0


def test_a_window_begins_and_ends_with_variables_at_their_start(stateful: MemoryDevice) -> None:
    ticks = [ask(stateful, 6, 11 + number, "03000000") for number in range(2)]
    assert ticks[0] == ticks[1]
    assert first_output(stateful, 13) == 0


# --- step by step ----------------------------------------------------------------------------------------


@pytest.fixture
def stepwise(make_device: Callable[..., MemoryDevice]) -> MemoryDevice:
    """Step n doubles byte n of the arena: the second input, of 5 bytes, comes first there."""
    device = make_device(QR_FRAME_BYTES=124, QR_MODEL_STEPS=4)
    open_session(device)
    return device


def arena(device: MemoryDevice, sequence: int) -> str:
    return ask(device, 11, sequence, "00000000 0600").removeprefix("8b:")


def test_steps_run_one_by_one_and_the_arena_can_be_seen_in_between(stepwise: MemoryDevice) -> None:
    write_inputs(stepwise, 11)
    assert arena(stepwise, 13) == "020202020201"
    for step in range(4):
        assert ask(stepwise, 10, 14 + 2 * step, f"{step:02x}00") == "90: 8a:"
        assert arena(stepwise, 15 + 2 * step) == "04" * (step + 1) + "02" * (4 - step) + "01"
    assert stepwise.runs == 4


def test_a_repeated_step_runs_nothing(stepwise: MemoryDevice) -> None:
    write_inputs(stepwise, 11)
    for step in range(2):
        assert ask(stepwise, 10, 13 + step, f"{step:02x}00") == "90: 8a:"
        assert ask(stepwise, 10, 13 + step, f"{step:02x}00") == "8a:"
    assert stepwise.runs == 2


def test_only_the_step_that_follows_is_run(stepwise: MemoryDevice) -> None:
    assert ask(stepwise, 10, 11, "0000") == "ff:0902"
    assert ask(stepwise, 10, 11, "0000") == "ff:0902"
    write_inputs(stepwise, 12)
    assert ask(stepwise, 10, 14, "0100") == "ff:0402"
    assert ask(stepwise, 10, 15, "0000") == "90: 8a:"
    assert ask(stepwise, 10, 16, "0200") == "ff:0402"
    assert ask(stepwise, 10, 17, "0000") == "ff:0902"  # the inputs are consumed
    assert ask(stepwise, 10, 18, "00") == "ff:0302"
    assert ask(stepwise, 10, 19, "0100") == "90: 8a:"
    assert ask(stepwise, 10, 20, "0100") == "ff:0402"
    assert stepwise.runs == 2


def test_a_refused_step_is_refused_again(stepwise: MemoryDevice) -> None:
    """The step before was carried out under another number."""
    write_inputs(stepwise, 11)
    for step in range(2):
        assert ask(stepwise, 10, 13 + step, f"{step:02x}00") == "90: 8a:"
    for _ in range(3):
        assert ask(stepwise, 10, 15, "0100") == "ff:0402"
    assert ask(stepwise, 10, 16, "0200") == "90: 8a:"
    assert stepwise.runs == 3


def test_the_last_step_has_none_behind_it(stepwise: MemoryDevice) -> None:
    write_inputs(stepwise, 11)
    for step in range(4):
        assert ask(stepwise, 10, 13 + step, f"{step:02x}00") == "90: 8a:"
    assert ask(stepwise, 10, 17, "0400") == "ff:0402"
    assert stepwise.runs == 4


@pytest.mark.parametrize(
    ("kind", "body", "reply"),
    [
        (2, ALL_INPUTS[0][1], "82:"),
        (3, "0000", "ff:0902"),
        (6, "01000000", "90: 86:"),
        (9, "", "89:"),
        (1, "02 00000000 0000 0000", "81:"),
    ],
)
def test_what_ends_an_inference_under_way(stepwise: MemoryDevice, kind: int, body: str, reply: str) -> None:
    write_inputs(stepwise, 11)
    assert ask(stepwise, 10, 13, "0000") == "90: 8a:"
    assert ask(stepwise, kind, 14, body).startswith(reply)
    assert ask(stepwise, 10, 15, "0100") == "ff:0402"


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ("00000000 1500", "8b:" + "02" * 5 + "01" * 16),
        ("14000000 0100", "8b:01"),
        ("15000000 0000", "8b:"),
        ("15000000 0100", "ff:0402"),
        ("16000000 0000", "ff:0402"),
        ("ffffffff 0200", "ff:0402"),
        ("00000000 7500", "ff:0402"),
        ("00000000 01", "ff:0302"),
    ],
)
def test_peeking_stays_in_the_arena(stepwise: MemoryDevice, body: str, reply: str) -> None:
    write_inputs(stepwise, 11)
    assert ask(stepwise, 11, 13, body) == reply


def test_steps_and_outputs_do_not_mix(stepwise: MemoryDevice) -> None:
    write_inputs(stepwise, 11)
    assert ask(stepwise, 3, 13, "0000").startswith("90: 83:")
    assert ask(stepwise, 10, 14, "0100") == "ff:0402"
    assert ask(stepwise, 4, 15, "00 00000000 0100") == "ff:0a02"


# --- delimiters ------------------------------------------------------------------------------------------


INFER = encode(Frame(type=3, sequence=13, body=b"\0\0"))


@pytest.mark.parametrize(
    ("behind", "disturbed"), [(b"", 0), (b"\0", 0), (b"\0\0\0", 0), (b"\x55", 1), (b"\0\x55", 1)]
)
def test_only_more_than_delimiters_behind_a_request_disturbs(
    device: MemoryDevice, behind: bytes, disturbed: int
) -> None:
    open_session(device)
    write_inputs(device, 11)
    running, done = replies_in(device.serve(INFER + behind))
    assert (running.type, done.type) == (0x90, 0x83)
    assert done.body[8] == disturbed
    # and what came too early is the beginning of the next stretch, or nothing
    assert ask(device, 5, 14) == ("ff:0102" if disturbed else ask(device, 5, 14))


def test_two_delimiters_are_answered_with_two(device: MemoryDevice) -> None:
    status = encode(Frame(type=5, sequence=0, body=b""))
    assert not device.serve(status).endswith(b"\0\0")
    assert device.serve(b"\0" + status).endswith(b"\0\0")
    assert [device.serve(status).endswith(b"\0\0") for _ in range(5)] == [True, True, True, False, False]
    # the one behind INFER is taken before the section is timed, so the result has two already
    open_session(device)
    write_inputs(device, 11)
    assert device.serve(INFER + b"\0").endswith(b"\0\0")
    assert device.serve(INFER).endswith(b"\0\0")


# --- rates -----------------------------------------------------------------------------------------------


FAST = (1_000_000).to_bytes(4, "little").hex()
GOOD = encode(Frame(type=8, sequence=1000, body=b"x"))


@pytest.fixture
def raised(device: MemoryDevice) -> MemoryDevice:
    open_session(device)
    assert ask(device, 7, 11, FAST) == "87:"
    assert device.baud == 1_000_000
    return device


def test_a_rate_can_be_taken_back(raised: MemoryDevice) -> None:
    assert ask(raised, 8, 12, "00ff") == "88:00ff"
    assert ask(raised, 7, 13, "00000000") == "87:"
    assert raised.baud == 0


def test_a_refused_rate_changes_nothing(raised: MemoryDevice) -> None:
    assert ask(raised, 7, 12, "81841e00") == "ff:0402"
    assert raised.baud == 1_000_000


@pytest.mark.parametrize("junk", [b"\x55\0", bytes(9), b"\x02\x02\0"])
def test_a_new_rate_ends_at_the_first_damage(raised: MemoryDevice, junk: bytes) -> None:
    raised.serve(junk)
    assert raised.baud == 0


def test_delimiters_of_a_careful_host_are_no_damage(raised: MemoryDevice) -> None:
    raised.serve(bytes(8))
    assert raised.baud == 1_000_000


def test_a_proved_rate_ends_after_much_damage_in_a_row(raised: MemoryDevice) -> None:
    raised.serve(GOOD)
    for _ in range(3):
        raised.serve(15 * b"\x55\0")
        assert raised.baud == 1_000_000
        raised.serve(GOOD)
    raised.serve(16 * b"\x55\0")
    assert raised.baud == 0


def test_slower_bytes_end_a_proved_rate(raised: MemoryDevice) -> None:
    """They look like zeros: without this, a host at the rate after reset would never be heard."""
    raised.serve(GOOD)
    raised.serve(bytes(15 * 9))
    assert raised.baud == 1_000_000
    raised.serve(bytes(9))
    assert raised.baud == 0


# --- faults ----------------------------------------------------------------------------------------------


def test_what_a_fault_handler_sends(device: MemoryDevice) -> None:
    (frame,) = replies_in(device.fault(0x08001235, 0x08000101, 0x00008200))
    assert (frame.type, frame.body.hex()) == (0x91, "351200080101000800820000")
