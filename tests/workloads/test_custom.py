# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ModelError, UnsupportedError
from harness.sweep import Case
from harness.workloads import CustomWorkload
from harness.workloads.files import word as word_of
from harness.workloads.model_file import load_model
from tests.workloads.keras_files import sequential_config, write_data, write_zip


def _workload(folder: Path, **changed: Any) -> CustomWorkload:
    model, data = folder / "my net.keras", folder / "data.npz"
    write_zip(model)
    write_data(data, **changed)
    return CustomWorkload(model, data)


def test_name_is_stem_and_digest(tmp_path: Path) -> None:
    workload = _workload(tmp_path)
    digest = hashlib.sha256((tmp_path / "my net.keras").read_bytes()).hexdigest()
    assert f"my-net-{digest[:8]}" == workload.NAME
    assert workload.data_files() == (workload.model, workload.data)
    assert not workload.SYNTHETIC


@pytest.mark.parametrize(
    ("stem", "word"),
    [
        ("net", "net"),
        ("my.net_v1-b", "my.net_v1-b"),
        ("my..net__v1", "my-net-v1"),
        ("my._net", "my-net"),
        ("..hidden", "hidden"),
        ("_net_", "net"),
        ("net (copy 2)", "net-copy-2"),
        ("a/b@c:d+e=f".replace("/", "\\"), "a-b-c-d-e-f"),
        ("\n\t'\"`$()", "model"),
        ("модель", "model"),
        ("résumé²", "r-sum"),
        ("-", "model"),
        ("x" * 99, "x" * 40),
        ("x" * 39 + "-yyy", "x" * 39),
        ("x" * 39 + "é" * 20, "x" * 39),
    ],
)
def test_an_awful_file_name_gives_a_case_all_the_same(tmp_path: Path, stem: str, word: str) -> None:
    model, data = tmp_path / f"{stem}.keras", tmp_path / "data.npz"
    write_zip(model)
    write_data(data)
    name = CustomWorkload(model, data).NAME
    assert name.rpartition("-")[0] == word
    case = Case(workload=name, variant="float32", engine="aot", board="uno", target="simavr")
    assert Case.parse(case.id) == case


@given(st.text(max_size=60))
def test_any_file_name_becomes_a_word(stem: str) -> None:
    word = word_of(stem)
    assert re.fullmatch(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*", word)
    assert len(word) <= 40
    if len(stem) <= 40 and re.fullmatch(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*", stem):
        assert word == stem


def test_a_fifth_of_the_training_rows_calibrates(tmp_path: Path) -> None:
    data = _workload(tmp_path, rows=50).load_data()
    assert len(data.x_calibration) == 10
    assert len(data.x_train) == 40
    assert len(np.unique(np.concatenate([data.x_train, data.x_calibration]), axis=0)) == 50


@pytest.mark.parametrize(
    ("targets", "metric", "dtype", "shape"),
    [
        (np.arange(10) % 2, "accuracy", np.int32, (10,)),
        ((np.arange(10) % 2).reshape(10, 1).astype(np.uint8), "accuracy", np.int32, (10,)),
        (np.eye(3)[np.arange(10) % 3], "accuracy", np.int32, (10,)),
        (np.linspace(0, 1, 10), "mae", np.float32, (10, 1)),
        (np.linspace(0, 1, 20).reshape(10, 2), "mae", np.float32, (10, 2)),
    ],
)
def test_targets_decide_the_metric(
    tmp_path: Path, targets: np.ndarray, metric: str, dtype: type, shape: tuple[int, ...]
) -> None:
    workload = _workload(
        tmp_path,
        y_test=targets,
        y_train=np.tile(targets, (4, *[1] * (targets.ndim - 1))).reshape(40, *targets.shape[1:]),
    )
    assert metric == workload.METRIC
    targets = workload.load_data().y_test
    assert targets.dtype == dtype
    assert targets.shape == shape


def test_score_is_of_the_metric(tmp_path: Path) -> None:
    workload = _workload(tmp_path)
    assert (
        workload.score(np.array([[1.0, 0.0], [1.0, 0.0]]), np.zeros((2, 3)), np.array([0, 1], dtype=np.int32))
        == 0.5
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y_test": None}, "no array y_test"),
        ({"x_train": np.array([object()] * 40)}, "x_train cannot be read"),
        ({"y_test": np.array(["a"] * 10)}, "y_test is <U1"),
        ({"x_test": np.float32(3)}, "x_test is float32()"),
        ({"x_test": np.zeros((0, 3))}, "x_test is float64(0, 3)"),
        ({"x_test": np.full((10, 3), np.inf)}, "x_test holds NaN or infinity"),
        ({"x_test": np.zeros((10, 4))}, "another shape"),
        ({"x_test": np.zeros((9, 3))}, "9 inputs, 10 targets"),
        ({"x_train": np.zeros((39, 3))}, "x_train has 39 rows, y_train 40"),
        ({"rows": 19}, "x_train has 19 rows; at least 20"),
    ],
)
def test_malformed_data(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        _workload(tmp_path, **changed).load_data()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x80\x04pickle"])
def test_data_that_are_no_archive(tmp_path: Path, content: bytes) -> None:
    write_zip(tmp_path / "net.keras")
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(ModelError, match=r"data.npz: cannot be read as an .npz file"):
        CustomWorkload(tmp_path / "net.keras", tmp_path / "data.npz")


def test_files_that_are_not_there_or_of_another_kind(tmp_path: Path) -> None:
    write_zip(tmp_path / "net.keras")
    write_data(tmp_path / "data.npz")
    with pytest.raises(ModelError, match=r"gone.keras: no such file"):
        CustomWorkload(tmp_path / "gone.keras", tmp_path / "data.npz")
    with pytest.raises(ModelError, match=r"gone.npz: no such file"):
        CustomWorkload(tmp_path / "net.keras", tmp_path / "gone.npz")
    with pytest.raises(ModelError, match=r"data.npz: not a file of kind .keras or .h5"):
        CustomWorkload(tmp_path / "data.npz", tmp_path / "data.npz")


EVIL_FUNCTION = {
    "module": "builtins",
    "class_name": "function",
    "config": "exec",
    "registered_name": "function",
}


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([("mystery", "Lambda", {})], "layer mystery is or uses Lambda"),
        ([("loader", "TFSMLayer", {"filepath": "elsewhere"})], "layer loader is or uses TFSMLayer"),
        ([("head", "Dense", {"units": 1, "activation": EVIL_FUNCTION})], "layer head is or uses function"),
        ([("net2", "MyLayer", {})], "layer net2 is or uses MyLayer"),
    ],
)
def test_a_model_may_not_bring_code(tmp_path: Path, layers: Any, message: str) -> None:
    write_zip(tmp_path / "net.keras", layers=layers)
    with pytest.raises(UnsupportedError, match=message):
        load_model(tmp_path / "net.keras")


def test_a_layer_inside_of_a_layer_may_not_bring_code_either(tmp_path: Path) -> None:
    inner = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "trap"}}
    write_zip(tmp_path / "net.keras", layers=[("outer", "TimeDistributed", {"layer": inner})])
    with pytest.raises(UnsupportedError, match="layer trap is or uses Lambda"):
        load_model(tmp_path / "net.keras")


def test_a_plain_name_from_a_foreign_module_is_code(tmp_path: Path) -> None:
    config = sequential_config([("head", "Dense", {"units": 1})])
    config["config"]["layers"][0]["module"] = "os"
    write_zip(tmp_path / "net.keras", config=config)
    with pytest.raises(UnsupportedError, match="layer head is or uses Dense"):
        load_model(tmp_path / "net.keras")


def test_a_lambda_in_an_h5_file_is_refused(tmp_path: Path) -> None:
    import h5py  # type: ignore[import-untyped]

    layer = {"class_name": "Lambda", "config": {"name": "trap", "function": ["4wEAAAA=", None, None]}}
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}})
    with pytest.raises(UnsupportedError, match="layer trap is or uses Lambda"):
        load_model(tmp_path / "net.h5")


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_a_file_that_is_no_model(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no model at all")
    with pytest.raises(ModelError, match=f"{name}: not a Keras model"):
        load_model(tmp_path / name)


def test_an_archive_without_configuration(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
    with pytest.raises(ModelError, match="not a Keras model"):
        load_model(tmp_path / "net.keras")


@pytest.mark.parametrize(
    ("member", "content"),
    [("metadata.json", b"[]"), ("config.json", b"[" * 100_000), ("config.json", b" " * 2**27)],
)
def test_an_archive_with_a_nonsensical_configuration(tmp_path: Path, member: str, content: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "net.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        other = {"metadata.json": b'{"keras_version": "3.1"}', "config.json": b"{}"} | {member: content}
        for name, text in other.items():
            archive.writestr(name, text)
    with pytest.raises(ModelError, match="not a Keras model"):
        load_model(tmp_path / "net.keras")


def test_an_encrypted_archive_is_no_model(tmp_path: Path) -> None:
    write_zip(tmp_path / "net.keras")
    content = bytearray((tmp_path / "net.keras").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] = content[6] = 1
    (tmp_path / "net.keras").write_bytes(content)
    with pytest.raises(ModelError, match=r"not a Keras model \(File 'metadata.json' is encrypted"):
        load_model(tmp_path / "net.keras")


def test_a_model_without_weights(tmp_path: Path) -> None:
    layers: Any = [("in", "InputLayer", {"batch_shape": [None, 3]}), ("head", "Dense", {"units": 2})]
    write_zip(tmp_path / "net.keras", layers=layers)
    with pytest.raises(ModelError, match="cannot load it"):
        load_model(tmp_path / "net.keras")


def _saved(folder: Path, *, width: int = 3, classes: int = 2, name: str = "net.keras") -> Path:
    from harness.workloads.runtime import tf_keras

    layers = tf_keras().layers
    model = tf_keras().Sequential([layers.Input((width,)), layers.Dense(classes, activation="softmax")])
    model.save(folder / name)
    return folder / name


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
@pytest.mark.train
def test_a_tf_keras_model_is_read(tmp_path: Path, name: str) -> None:
    write_data(tmp_path / "data.npz")
    workload = CustomWorkload(_saved(tmp_path, name=name), tmp_path / "data.npz")
    model = workload.build_and_train(workload.load_data())
    assert model.predict(np.zeros((1, 3)), verbose=0).shape == (1, 2)


@pytest.mark.train
def test_a_model_that_does_not_fit_its_data(tmp_path: Path) -> None:
    write_data(tmp_path / "data.npz")
    wide = CustomWorkload(_saved(tmp_path, width=4), tmp_path / "data.npz")
    with pytest.raises(
        ModelError, match=r"takes inputs of shape \(4,\); .*data.npz has rows of shape \(3,\)"
    ):
        wide.build_and_train(wide.load_data())
    write_data(tmp_path / "data.npz", y_test=np.full(10, 2))
    few = CustomWorkload(_saved(tmp_path), tmp_path / "data.npz")
    with pytest.raises(ModelError, match="classes 0 to 2; the model tells 2 apart, 0 to 1"):
        few.build_and_train(few.load_data())
