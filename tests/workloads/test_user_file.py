# SPDX-License-Identifier: Apache-2.0
"""A workload as a Python file: what it may say, what is refused, and which files it is made of."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ModelError, UnsupportedError
from harness.quantize import VARIANTS
from harness.quantize.digests import training_digest
from harness.quantize.worker import workload_from_json, workload_to_json
from harness.workloads import AsIsWorkload, DataSet, UserWorkload, model_file, read_workload_file, user_file

WHOLE = """\
import numpy as np

METRIC = "accuracy"

def load_data():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(60, 3))
    y = (x.sum(axis=1) > 0).astype(int)
    return {"x_train": x[:50], "y_train": y[:50], "x_test": x[50:], "y_test": y[50:]}

def build_and_train(data):
    return None
"""


def _write(folder: Path, text: str, name: str = "mine.py") -> Path:
    (folder / name).write_text(textwrap.dedent(text))
    return folder / name


def _trained(folder: Path, text: str = WHOLE) -> UserWorkload:
    workload = read_workload_file(_write(folder, text))
    assert isinstance(workload, UserWorkload)
    return workload


def test_three_things_make_a_workload(tmp_path: Path) -> None:
    workload = _trained(tmp_path)
    assert (workload.NAME, workload.TITLE, workload.METRIC) == ("mine", "mine.py", "accuracy")
    assert (workload.SEED, workload.SYNTHETIC, workload.STREAM) == (1, False, False)
    data = workload.load_data()
    assert (len(data.x_train), len(data.x_calibration), len(data.x_test)) == (40, 10, 10)
    assert data.x_test.dtype == np.float32
    assert data.y_test.dtype == np.int32
    outputs = np.eye(2)[data.y_test]
    assert workload.score(outputs, data.x_test, data.y_test) == 1.0


def test_what_it_says_of_itself_counts(tmp_path: Path) -> None:
    more = 'NAME = "valve-2"\nTITLE = "The valve"\nSEED = 5\nSTREAM = True\nSYNTHETIC = True\n'
    own_score = (
        "def score(outputs, x_test, y_test):\n    return float(outputs.sum() + x_test.sum() + y_test.sum())\n"
    )
    workload = _trained(tmp_path, WHOLE + more + own_score)
    assert (workload.NAME, workload.TITLE, workload.SEED) == ("valve-2", "The valve", 5)
    assert workload.STREAM
    assert workload.SYNTHETIC
    assert workload.score(np.ones((2, 2)), np.ones((2, 3)), np.ones(2, np.int32)) == 12.0


def test_it_may_give_the_splits_itself(tmp_path: Path) -> None:
    text = WHOLE.replace(
        "return {",
        'return {"x_calibration": x[:7], "y_calibration": y[:7], ',
    )
    assert len(_trained(tmp_path, text).load_data().x_calibration) == 7
    whole = """
        import numpy as np
        from harness.workloads import DataSet
        METRIC = "mae"
        def load_data():
            x, y = np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)
            return DataSet(x_train=x, y_train=y, x_calibration=x, y_calibration=y, x_test=x, y_test=y)
        def build_and_train(data): ...
    """
    assert isinstance(_trained(tmp_path, whole).load_data(), DataSet)


def _without(line: str) -> str:
    assert line in WHOLE
    return WHOLE.replace(line, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_without('METRIC = "accuracy"\n'), "has no METRIC. Write one of accuracy, mae, auc"),
        (_without("def build_and_train(data):\n    return None\n"), "has no function build_and_train"),
        (WHOLE.replace("def load_data", "def other"), "has no function load_data"),
        (WHOLE + 'METRIC = "f1"\n', "METRIC is 'f1'"),
        (WHOLE + "SEED = 'x'\n", "SEED is 'x', not a whole number"),
        (WHOLE + "STREAM = 1\n", "STREAM is 1, not True or False"),
        (WHOLE + "NAME = '../up'\n", "NAME is '../up'. Write it as 'up'"),
        (WHOLE + "NAME = 'a@b'\n", "NAME is 'a@b'. Write it as 'a-b'"),
        (WHOLE + "MODEL = 'gone.keras'\n", "gone.keras: no such file"),
        (WHOLE + "1 / 0\n", "mine.py:13: the file failed: ZeroDivisionError"),
        (WHOLE + "def f(:\n", "mine.py:13: the file failed: SyntaxError"),
        (WHOLE + "import sys; sys.exit(3)\n", "mine.py:13: the file failed: SystemExit: 3"),
        (WHOLE + "import no_such_module_of_mine\n", "the file failed: ModuleNotFoundError"),
        (WHOLE + "raise GeneratorExit\n", "mine.py:13: the file failed: GeneratorExit: no message"),
        (WHOLE + "SEED = -5\n", "SEED is -5. Write 0 to 4294967295"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        read_workload_file(_write(tmp_path, text))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("raise RuntimeError('no disk')", r"mine\.py:6: load_data\(\) failed: RuntimeError: no disk"),
        ("return [1, 2]", "gave a list, not a dict of arrays"),
        ("return {'x_train': [['a']]}", "x_train is <U1"),
        ("return {'x_train': [[1], [1, 2]]}", "gave as x_train what is no array"),
        ("return {'x_train': np.ones((30, 2)), 'y_train': np.ones(30)}", "no array x_test"),
    ],
)
def test_data_that_are_none_are_refused(tmp_path: Path, line: str, message: str) -> None:
    workload = _trained(tmp_path, WHOLE.replace("rng = np.random.default_rng(7)", line))
    with pytest.raises(ModelError, match=message):
        workload.load_data()


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    workload = _trained(tmp_path)
    with pytest.raises(ModelError, match=r"build_and_train\(\) gave a NoneType, no Keras model"):
        workload.build_and_train(workload.load_data())


@pytest.mark.train
@pytest.mark.parametrize("library", ["keras", "tf_keras"])
@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("k.Sequential([k.Input((3,)), k.layers.Lambda(abs)])", UnsupportedError, "is or uses Lambda"),
        ("type('Mine', (k.Model,), {})()", UnsupportedError, "gave a Mine. .*Sequential or Functional"),
        ("k.Sequential([k.Input((4,)), k.layers.Dense(2)])", ModelError, r"\(4,\); .* shape \(3,\)"),
    ],
)
def test_a_model_that_cannot_be_used_is_named(
    tmp_path: Path, library: str, model: str, error: type[Exception], message: str
) -> None:
    workload = _trained(tmp_path, WHOLE.replace("return None", f"import {library} as k; return {model}"))
    with pytest.raises(error, match=message):
        workload.build_and_train(workload.load_data())


@pytest.mark.train
@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_training_is_seeded_for_a_file_that_does_not_think_of_it(tmp_path: Path, library: str) -> None:
    model = f"""import {library} as k
    model = k.Sequential([k.Input((3,)), k.layers.Dense(4), k.layers.Dropout(0.5), k.layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(data.x_train, data.x_train[:, :2], epochs=1, verbose=0)
    return model"""
    workload = _trained(tmp_path, WHOLE.replace("return None", model))
    data = workload.load_data()
    first, again = (workload.build_and_train(data).get_weights() for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_code_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = "import threading; threading.Event().wait()"
    monkeypatch.setattr(user_file, "READ_TIMEOUT_S", 0.2)
    with pytest.raises(ModelError, match=r"mine\.py: the file did not end within 0 s\. It loops"):
        read_workload_file(_write(tmp_path, WHOLE + waiting))
    monkeypatch.setattr(user_file, "READ_TIMEOUT_S", 60.0)
    workload = _trained(tmp_path, WHOLE.replace("rng = np.random.default_rng(7)", waiting))
    monkeypatch.setattr(user_file, "CALL_TIMEOUT_S", 0.2)
    with pytest.raises(ModelError, match=r"load_data\(\) did not end within 0 s"):
        workload.load_data()


@pytest.mark.parametrize("given", ["None", "[3]", "'one.csv'"])
def test_data_files_are_a_list_of_paths(tmp_path: Path, given: str) -> None:
    workload = _trained(tmp_path, WHOLE + f"def data_files():\n    return {given}\n")
    with pytest.raises(ModelError, match=r"data_files\(\) gave .*, not a list of paths"):
        workload.data_files()


@pytest.mark.parametrize(
    ("value", "message"),
    [("None", "gave None"), ("float('nan')", "gave nan"), ("10**400", "not a number"), ("1j", "gave 1j")],
)
def test_a_score_is_a_number(tmp_path: Path, value: str, message: str) -> None:
    workload = _trained(tmp_path, WHOLE + f"def score(outputs, x_test, y_test):\n    return {value}\n")
    with pytest.raises(ModelError, match=message):
        workload.score(np.ones((1, 2)), np.ones((1, 3)), np.ones(1, np.int32))


def test_it_is_made_of_the_modules_that_it_imports(tmp_path: Path) -> None:
    _write(tmp_path, "from deep import tool\nVALUE = 3\n", "my_features.py")
    (tmp_path / "deep").mkdir()
    _write(tmp_path, "", "deep/__init__.py")
    _write(tmp_path, "", "deep/tool.py")
    _write(tmp_path, "1 / 0\n", "stranger.py")
    (tmp_path / "raw.csv").write_text("1,2")
    text = WHOLE.replace("rng =", "import my_features\n    rng =")
    workload = _trained(tmp_path, text + "def data_files():\n    return ['raw.csv']\n")
    workload.load_data()
    assert [path.name for path in workload.data_files()] == [
        "mine.py", "__init__.py", "tool.py", "my_features.py", "raw.csv",
    ]  # fmt: skip
    before = training_digest(workload)
    assert training_digest(workload) == before
    _write(tmp_path, "VALUE = 4\n", "my_features.py")
    assert training_digest(workload) != before


def test_it_is_found_again_in_another_process(tmp_path: Path) -> None:
    workload = _trained(tmp_path)
    again = workload_from_json(workload_to_json(workload))
    assert isinstance(again, UserWorkload)
    assert (again.path, again.NAME) == (workload.path, workload.NAME)


def _as_is(folder: Path, text: str) -> AsIsWorkload:
    (folder / "net.tflite").write_bytes(b"model")
    workload = read_workload_file(_write(folder, 'MODEL = "net.tflite"\n' + text))
    assert isinstance(workload, AsIsWorkload)
    return workload


def test_it_may_name_a_tflite_and_bring_data_for_it(tmp_path: Path) -> None:
    arrays = "'x_test': np.ones((2, 3)), 'x_test_1': np.ones((2, 1))"
    data = f"import numpy as np\ndef load_data():\n    return {{{arrays}"
    scored = _as_is(tmp_path, f"METRIC = 'mae'\nSTREAM = True\n{data}, 'y_test': [1.0, 2.0]}}\n")
    examples = scored.examples()
    assert examples is not None
    assert (len(examples.inputs), scored.METRIC, scored.STREAM) == (2, "mae", True)
    assert scored.data_files() == (tmp_path / "net.tflite", tmp_path / "mine.py")
    assert scored.score(np.ones((2, 1)), np.ones((2, 3)), np.ones((2, 1), np.float32)) == 0.0
    bare = _as_is(tmp_path, data + "}\n").examples()
    assert bare is not None
    assert bare.targets is None
    assert _as_is(tmp_path, "").examples() is None
    lacking: Any = _as_is(tmp_path, f"METRIC = 'mae'\n{data}}}\n")
    with pytest.raises(ModelError, match=r"METRIC is mae, but load_data\(\) gives no y_test"):
        lacking.examples()


def test_the_guides_example_and_its_list_of_layers_hold(tmp_path: Path) -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "WORKLOADS.md").read_text()
    (example,) = re.findall(r'```python\n(""".*?)```', guide, re.DOTALL)
    workload = _trained(tmp_path, example)
    data = workload.load_data()
    assert (data.x_train.shape, data.x_test.shape, workload.METRIC) == ((320, 16), (100, 16), "accuracy")
    (listed,) = re.findall(r"\n(> .*?)\n\n", guide, re.DOTALL)
    assert set(re.findall(r"\w+", listed)) == model_file._LAYERS
    variants = re.findall(r"^\| `([a-z0-9-]+)` \|", guide.partition("| variant |")[2], re.MULTILINE)
    assert set(VARIANTS) < set(variants)
