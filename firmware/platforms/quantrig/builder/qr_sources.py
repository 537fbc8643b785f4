# SPDX-License-Identifier: Apache-2.0
"""Which sources make a firmware: src without the other boards' ports, lib/*, and the generated model.

Also used by the environments on upstream platforms, through upstream.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any


def collect(env: Any, port: str, shared: str = "") -> None:
    """Lists everything to build and every include folder. A port is all files that begin with its name,
    and those that begin with `shared_`, which ports of one kind of CPU have in common.

    All of lib/* is compiled, but of lib/nn what kernels.txt beside model.c names, where it is there; the
    linker drops what is not used.
    """
    common = f" +<ports/{shared}_*>" if shared else ""
    # an Arduino core has a main() that calls the port's setup() and loop()
    main = " -<main.c>" if port == "arduino" else ""
    env.Replace(SRC_FILTER=f"+<*>{main} -<ports/> +<ports/{port}*>{common}")
    model = model_dir(env)
    project = Path(env.subst("$PROJECT_DIR"))
    libraries = sorted(path for path in (project / "lib").iterdir() if path.is_dir())
    env.Replace(QR_MODEL_DIR=str(model))
    env.Append(CPPPATH=[str(model), "$PROJECT_INCLUDE_DIR", "$PROJECT_SRC_DIR", *map(str, libraries)])
    for library in libraries:
        chosen = model / "kernels.txt" if library.name == "nn" else None
        env.BuildSources(f"$BUILD_DIR/{library.name}", str(library), *_only(chosen))
    env.BuildSources("$BUILD_DIR/model", str(model), "-<*> +<model.c>")


def _only(chosen: Path | None) -> list[str]:
    """The filter that takes the files that `chosen` names, one a line; none where there is no such list."""
    if chosen is None or not chosen.is_file():
        return []
    names = chosen.read_text(encoding="utf-8").split()
    return [" ".join(["-<*>", *(f"+<{name}>" for name in names)])]


def model_dir(env: Any) -> Path:
    """The folder of model.c and model_config.h; ends the build with a sentence when there is none."""
    chosen = os.environ.get("QR_MODEL_DIR", "")
    if not chosen or not (Path(chosen) / "model.c").is_file():
        sys.stderr.write(
            f"Error: QR_MODEL_DIR is {chosen!r}, which holds no model.c. It names the folder that the"
            " quantrig compiler wrote; `quantrig sweep` sets it, see firmware/README.md.\n"
        )
        env.Exit(1)
    return Path(chosen).resolve()
