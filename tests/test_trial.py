# SPDX-License-Identifier: Apache-2.0
"""What goes into a model: quantized or as it is, refused where nobody knows which."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from harness.errors import ModelError
from harness.graph import DType, Graph, Quantization, Tensor
from harness.trial import SEEDED_SAMPLES, make_trial, verify_all
from harness.workloads import AsIsWorkload, Examples


def tensor(
    index: int, dtype: DType, shape: tuple[int, ...], *, scale: float | None = None, zero_point: int = 0
) -> Tensor:
    quantization = Quantization(scales=(scale,), zero_points=(zero_point,)) if scale else None
    return Tensor(
        index=index, name=f"t{index}", shape=shape, dtype=dtype, quantization=quantization, data=None
    )


def graph(inputs: list[Tensor], outputs: list[Tensor]) -> Graph:
    return Graph(
        name="m",
        sha256="",
        tensors=(*inputs, *outputs),
        ops=(),
        inputs=tuple(range(len(inputs))),
        outputs=tuple(range(len(inputs), len(inputs) + len(outputs))),
    )


def one(dtype: DType, shape: tuple[int, ...] = (1, 3), **more: Any) -> Graph:
    return graph([tensor(0, dtype, shape, **more)], [tensor(1, DType.FLOAT32, (1, 1))])


def stored(model: Graph, array: Any, *, samples: int | None = None) -> Any:
    examples = Examples(inputs=(np.asarray(array),))
    return make_trial(model, examples, samples=samples, seed=1).inputs[0]


def test_real_numbers_are_quantized_by_the_tensors_scale() -> None:
    found = stored(one(DType.INT8, scale=0.5, zero_point=-3), [[0.0, 1.0, -1.0], [100.0, 0.25, 0.74]])
    assert found.dtype == np.int8
    assert found.tolist() == [[[-3, -1, -5]], [[127, -2, -2]]]


def test_integers_of_the_tensors_own_type_are_used_as_they_are() -> None:
    model = one(DType.INT8, scale=0.5, zero_point=-3)
    given = np.array([[1, -128, 127]], np.int8)
    assert np.array_equal(stored(model, given)[0], given)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.int16])
def test_integers_of_another_type_are_refused_with_both_ways_out(dtype: type) -> None:
    with pytest.raises(ModelError, match=r"real numbers as float32, or stored ones as int8"):
        stored(one(DType.INT8, scale=0.5), np.ones((2, 3), dtype))


def test_an_integer_tensor_without_a_scale_takes_whole_numbers() -> None:
    assert stored(one(DType.INT32), np.array([[1, 2, 3]])).dtype == np.int32
    assert stored(one(DType.INT32), np.array([[1.0, 2.0, 3.0]])).tolist() == [[[1, 2, 3]]]
    with pytest.raises(ModelError, match="x_test is float64"):
        stored(one(DType.INT32), np.array([[1.5, 2.0, 3.0]]))
    with pytest.raises(ModelError, match="x_test is int64"):
        stored(one(DType.INT32), np.array([[2**40, 2, 3]]))


def test_a_float_tensor_takes_all_numbers_and_a_batch_or_channel_of_one_may_be_left_out() -> None:
    assert stored(one(DType.FLOAT32, (1, 3, 1)), np.ones((5, 3), np.uint8)).shape == (5, 1, 3, 1)
    assert stored(one(DType.FLOAT32, (2, 3)), np.ones((5, 2, 3))).shape == (5, 2, 3)
    with pytest.raises(
        ModelError, match=re.escape("rows of shape (4,); the model's input is t0: float32[1, 3]")
    ):
        stored(one(DType.FLOAT32), np.ones((5, 4)))


def test_numbers_beyond_float32_are_refused() -> None:
    with pytest.raises(ModelError, match=r"x_test holds numbers that float32 does not: 1e\+300"):
        stored(one(DType.FLOAT32), np.full((2, 3), 1e300))


def test_a_limit_of_samples() -> None:
    assert len(stored(one(DType.FLOAT32), np.ones((5, 3)), samples=2)) == 2
    assert len(stored(one(DType.FLOAT32), np.ones((5, 3)), samples=9)) == 5


def test_each_input_has_its_array() -> None:
    model = graph(
        [tensor(0, DType.FLOAT32, (1, 2)), tensor(1, DType.INT8, (1, 3), scale=1.0)],
        [tensor(2, DType.FLOAT32, (1, 1))],
    )
    arrays = (np.ones((4, 2)), np.ones((4, 3)))
    first, second = make_trial(model, Examples(inputs=arrays), samples=None, seed=1).inputs
    assert [array.dtype.name for array in (first, second)] == ["float32", "int8"]
    with pytest.raises(ModelError, match=r"hold 1 inputs; the model has 2 \(t0: float32\[1, 2\], t1: int8"):
        make_trial(model, Examples(inputs=arrays[:1]), samples=None, seed=1)


def test_drawn_inputs_are_the_same_at_each_call_and_span_the_type() -> None:
    model = one(DType.INT8, (1, 400), scale=0.1)
    first, again = (make_trial(model, None, samples=None, seed=1).inputs[0] for _ in range(2))
    assert first.shape == (SEEDED_SAMPLES, 1, 400)
    assert np.array_equal(first, again)
    assert (first.min(), first.max()) == (-128, 127)
    assert not np.array_equal(first, make_trial(model, None, samples=None, seed=2).inputs[0])
    assert len(make_trial(model, None, samples=5, seed=1).inputs[0]) == 5
    indices = make_trial(one(DType.INT32), None, samples=None, seed=1).inputs[0]
    assert set(indices.reshape(-1).tolist()) == {0, 1}


def _workload(tmp_path: Any, metric: str, data: dict[str, Any]) -> AsIsWorkload:
    (tmp_path / "m.tflite").write_bytes(b"model")
    np.savez(tmp_path / "d.npz", **data)
    return AsIsWorkload.from_files(tmp_path / "m.tflite", tmp_path / "d.npz", metric or None)


def test_the_score_is_of_the_first_output_and_of_real_inputs(tmp_path: Any) -> None:
    """An autoencoder on stored integers: the reconstruction is compared with what they stand for."""
    model = graph(
        [tensor(0, DType.INT8, (1, 2), scale=0.5, zero_point=2)],
        [tensor(1, DType.INT8, (1, 2), scale=0.5, zero_point=2), tensor(2, DType.INT8, (1, 3), scale=9.0)],
    )
    inputs = np.array([[2, 4], [6, 2], [0, 0]], np.int8)
    workload = _workload(tmp_path, "auc", {"x_test": inputs, "y_test": [0, 1, 0]})
    trial = make_trial(model, workload.examples(), samples=None, seed=1)
    rows = np.concatenate(
        [inputs + np.array([[0, 0], [4, 0], [1, 0]], np.int8), np.zeros((3, 3), np.int8)], 1
    )
    outputs = trial.split(rows)
    assert [array.shape for array in outputs] == [(3, 2), (3, 3)]
    score = trial.score(workload, outputs, outputs)
    assert score is not None
    assert (score.metric, score.value, score.reference) == ("auc", 1.0, 1.0)


def test_there_is_no_score_without_targets(tmp_path: Any) -> None:
    workload = _workload(tmp_path, "", {"x_test": np.ones((4, 3))})
    assert (workload.METRIC, workload.STREAM) == ("", False)
    trial = make_trial(one(DType.FLOAT32), workload.examples(), samples=None, seed=1)
    outputs = [np.zeros((4, 1), np.float32)]
    assert trial.score(workload, outputs, outputs) is None


def test_each_output_is_verified_by_its_own_size_and_the_first_difference_is_named() -> None:
    """Beside an output of thousands, one of ones is no less exact."""
    large, small = np.full((2, 2), 5000.0, np.float32), np.ones((2, 3), np.float32)
    off = small.copy()
    off[1, 2] += 0.01
    found = verify_all([large, off], [large, small], "oracle")
    assert (found.outputs_compared, found.mismatches, found.first_mismatch) == (10, 1, (1, 4))
    assert found.max_abs_diff == pytest.approx(0.01, rel=1e-3)
    assert verify_all([large, small], [large, small], "oracle").first_mismatch is None
    worse = large.copy()
    worse[1, 1] = np.nan
    assert verify_all([worse, off], [large, small], "oracle").first_mismatch == (1, 1)
