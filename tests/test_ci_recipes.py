# SPDX-License-Identifier: Apache-2.0
"""docs/ci: linters read the recipes, and their shell steps run in a copy of a user's repository.

Only apt-get is a stand-in. quantrig is installed from this checkout by the recipe's own pip, whose
environment variables keep it from fetching dependencies: its venv finds those of the tests' environment.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[1]
DOCS: Final = ROOT / "docs" / "ci"
GITHUB: Final = DOCS / "github-actions.yml"
GITLAB: Final = DOCS / "gitlab-ci.yml"
RECIPES: Final = {"vendor.github-workflows": GITHUB, "vendor.gitlab-ci": GITLAB}
YAMLLINT: Final = (
    "{extends: default, rules: "
    "{line-length: {max: 120}, document-start: disable, truthy: {check-keys: false}}}"
)
#: What a container needs before it can do anything; `./run` finds it on a developer's machine.
CONTAINER: Final = {"git", "ca-certificates"}
CASE: Final = "sine/ptq-int8/aot@native:native"
NAME: Final = "quantrig-baseline.csv"

# One worker has the repository; another would install it again.
pytestmark = pytest.mark.xdist_group("ci")


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A piece of shell of a recipe."""

    name: str
    script: str
    environment: dict[str, str]


def github_steps() -> list[Step]:
    recipe = yaml.safe_load(GITHUB.read_text())
    job = recipe["jobs"]["sweep"]
    assert job["defaults"]["run"]["shell"] == "sh -eu {0}"
    return [
        Step(
            name=step["name"],
            script=step["run"],
            environment={**recipe["env"], **step.get("env", {})},
        )
        for step in job["steps"]
        if "run" in step
    ]


def gitlab_step() -> Step:
    """A runner gives all lines of a job to one shell, and stops at the first that fails."""
    job = yaml.safe_load(GITLAB.read_text())["quantrig"]
    lines = [*job["before_script"], *job["script"]]
    return Step(name="job", script="\n".join(lines), environment=job["variables"])


# --- linters ----------------------------------------------------------------------------------------


def _tool(*command: str, text: str | None = None) -> None:
    """Run a linter of this environment; its words are the failure."""
    program = Path(sysconfig.get_path("scripts")) / command[0]
    done = subprocess.run(
        [program, *command[1:]], input=text, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("schema", RECIPES)
def test_recipes_follow_the_schema_of_their_service(schema: str) -> None:
    _tool("check-jsonschema", "--builtin-schema", schema, str(RECIPES[schema]))


@pytest.mark.parametrize("schema", RECIPES)
def test_the_schemas_are_strict_enough_to_see_a_typing_error(schema: str, tmp_path: Path) -> None:
    wrong = (
        RECIPES[schema].read_text().replace("    timeout", "    tiemout").replace("  timeout", "  tiemout")
    )
    (tmp_path / "recipe.yml").write_text(wrong)
    with pytest.raises(AssertionError, match="tiemout"):
        _tool("check-jsonschema", "--builtin-schema", schema, str(tmp_path / "recipe.yml"))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda path: path.name)
def test_recipes_are_tidy_yaml(recipe: Path) -> None:
    _tool("yamllint", "--strict", "-d", YAMLLINT, str(recipe))


@pytest.mark.parametrize("step", [*github_steps(), gitlab_step()], ids=lambda step: step.name)
def test_shell_steps_pass_shellcheck(step: Step) -> None:
    names = "".join(f"{name}=''\nexport {name}\n" for name in (*step.environment, "GITHUB_STEP_SUMMARY"))
    _tool("shellcheck", "--shell=sh", "-", text=names + step.script)


def test_expressions_stand_only_where_no_shell_reads_them() -> None:
    for step in github_steps():
        assert "${{" not in step.script, "an expression in a script is text that somebody else may choose"


def _packages_of_run() -> set[str]:
    text = (ROOT / "run").read_text().replace("\\\n", "")
    lists = re.findall(r'^(?:esp32_)?packages="([^"$]+)"', text, re.MULTILINE)
    assert len(lists) == 2
    return set(" ".join(lists).split())


# --- the steps, run ---------------------------------------------------------------------------------


class UsersRepository:
    """A repository with a recipe in it, on a machine whose apt-get only takes notes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.apt_log = path.parent / "apt.log"
        self.summary = path.parent / "summary.md"
        path.mkdir()
        programs = path.parent / "bin"
        programs.mkdir()
        self._program(programs / "apt-get", f'echo "$@" >> {self.apt_log}')
        self._program(
            programs / "python3",
            f'"{sys.executable}" "$@" && for folder; do :; done\n'
            f'for site in "$folder"/lib/python3.*/site-packages; do\n'
            f'    [ ! -d "$site" ] || echo "{sysconfig.get_path("purelib")}" > "$site/dependencies.pth"\n'
            f"done",
        )
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(path.parent),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            # pip builds and installs quantrig itself, and nothing else.
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_NO_INDEX": "1",
            "PIP_IGNORE_INSTALLED": "1",
        }

    @staticmethod
    def _program(path: Path, body: str) -> None:
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run(self, step: Step, **parameters: str) -> subprocess.CompletedProcess[str]:
        """Run a step as its runner would, with some of the recipe's own parameters set."""
        unknown = parameters.keys() - step.environment.keys()
        assert not unknown, f"the recipe has no parameter {unknown}"
        return subprocess.run(
            ["sh", "-eu", "-c", step.script],
            cwd=self.path,
            env=self.environment | step.environment | parameters,
            capture_output=True,
            text=True,
            check=False,
        )

    def results(self) -> Path:
        """The newest run's results.csv, as it lies in the artifact."""
        return max((self.path / "results").glob("*/results.csv"), key=lambda file: file.stat().st_mtime_ns)

    def commit_baseline(self, **changes: Any) -> None:
        """Put the newest results into the baseline, with cells of the int8 case changed."""
        with self.results().open(newline="") as file:
            header, *lines = list(csv.reader(file))
        for line in lines:
            for column, value in changes.items():
                if line[0] == CASE:
                    line[header.index(column)] = str(value)
        with (self.path / NAME).open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *lines])


def _cache() -> str:
    """The cache of the tests' own training."""
    return os.environ.get("QUANTRIG_CACHE", str(Path("~/.cache/quantrig").expanduser()))


PARAMETERS: Final = {
    "QUANTRIG": str(ROOT),
    "SWEEP_ARGS": "-w sine -v ptq-int8 -b native --samples 100",
    "QUANTRIG_CACHE": _cache(),
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> UsersRepository:
    """A repository in which every step of the GitHub recipe ran once, without a baseline."""
    repository = UsersRepository(tmp_path_factory.mktemp("ci") / "repository")
    for step in github_steps():
        done = repository.run(step, **PARAMETERS)
        assert done.returncode == 0, done.stdout + done.stderr
    return repository


def _compare_step() -> Step:
    return next(step for step in github_steps() if "quantrig compare" in step.script)


@pytest.mark.train
def test_the_recipe_installs_what_run_installs(swept: UsersRepository) -> None:
    asked = [line.split() for line in swept.apt_log.read_text().splitlines()]
    assert asked[0] == ["update"]
    packages = {word for line in asked[1:] for word in line if not word.startswith("-")} - {"install"}
    assert packages == _packages_of_run() | CONTAINER


@pytest.mark.train
def test_the_first_job_says_how_to_make_a_baseline(swept: UsersRepository) -> None:
    (swept.path / NAME).unlink(missing_ok=True)
    done = swept.run(_compare_step())
    assert done.returncode == 0
    assert f"No {NAME} yet" in done.stdout
    assert f"No {NAME} yet" in swept.summary.read_text()
    assert list(swept.path.glob(".quantrig/lib/*/site-packages/harness/_data/boards.yaml"))
    assert swept.results().read_text().count("\n") == 2


@pytest.mark.train
def test_the_gate_passes_its_own_baseline_and_shows_a_summary(swept: UsersRepository) -> None:
    swept.commit_baseline()
    done = swept.run(_compare_step())
    assert done.returncode == 0, done.stderr
    assert "No rule is broken" in swept.summary.read_text()


@pytest.mark.train
def test_the_gate_fails_on_a_regression_and_names_it(swept: UsersRepository) -> None:
    swept.commit_baseline(arena_bytes=8)
    done = swept.run(_compare_step())
    assert done.returncode == 1
    assert f"{CASE}: breaks arena>0" in done.stderr
    assert "arena&gt;0" in swept.summary.read_text()
    assert swept.run(_compare_step(), FAIL_ON="latency>2%").returncode == 0


def test_after_a_failed_sweep_results_are_still_compared_and_kept() -> None:
    steps = yaml.safe_load(GITHUB.read_text())["jobs"]["sweep"]["steps"]
    after = [step for step in steps if "compare" in step.get("run", "") or "upload" in step.get("uses", "")]
    assert len(after) == 2
    assert all(step["if"] == "${{ !cancelled() }}" for step in after)
    job = yaml.safe_load(GITLAB.read_text())["quantrig"]
    assert job["artifacts"]["when"] == "always"
    assert "results/" in job["artifacts"]["paths"]


@pytest.mark.train
def test_gitlabs_job_passes_fails_on_a_regression_and_on_a_failed_sweep(swept: UsersRepository) -> None:
    swept.apt_log.unlink()
    swept.commit_baseline()
    done = swept.run(gitlab_step(), **PARAMETERS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No rule is broken" in (swept.path / "quantrig-compare.md").read_text()
    asked = {word for line in swept.apt_log.read_text().splitlines() for word in line.split()}
    assert {word for word in asked if not word.startswith("-")} - {"install", "update"} == (
        _packages_of_run() | CONTAINER
    )
    swept.commit_baseline(flash_bytes=100)
    done = swept.run(gitlab_step(), **PARAMETERS)
    assert done.returncode == 1
    assert f"{CASE}: breaks flash>1%" in done.stderr
    swept.commit_baseline()
    done = swept.run(gitlab_step(), **(PARAMETERS | {"SWEEP_ARGS": "--workload nonsense"}))
    assert done.returncode == 2, "a sweep that fails fails the job"
    assert "No rule is broken" in done.stdout, "and what is there was compared all the same"


@pytest.mark.train
def test_without_clang_the_recipes_go_on(swept: UsersRepository) -> None:
    """An image that does not know the ESP32's packages loses that lane, not the job."""
    stub = swept.path.parent / "bin" / "apt-get"
    before = stub.read_text()
    stub.write_text('#!/bin/sh\ncase "$*" in *clang-22*) exit 100 ;; esac\n')
    step = next(step for step in github_steps() if "apt-get" in step.script)
    done = swept.run(step)
    stub.write_text('#!/bin/sh\ncase "$*" in *gcc-avr*) exit 100 ;; esac\n')
    broken = swept.run(step)
    stub.write_text(before)
    assert done.returncode == 0
    assert "esp32:qemu will be unavailable" in done.stdout
    assert broken.returncode == 100


def test_the_readme_names_every_parameter_and_both_recipes() -> None:
    text = (DOCS / "README.md").read_text()
    parameters = {"QUANTRIG", "SWEEP_ARGS", "BASELINE", "FAIL_ON"}
    for recipe in (
        yaml.safe_load(GITHUB.read_text())["env"],
        yaml.safe_load(GITLAB.read_text())["quantrig"]["variables"],
    ):
        assert parameters <= recipe.keys()
        assert recipe["BASELINE"] == NAME
    for word in (*parameters, GITHUB.name, GITLAB.name, NAME):
        assert word in text
