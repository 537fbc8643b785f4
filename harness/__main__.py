# SPDX-License-Identifier: Apache-2.0
"""`python -m harness` is `quantrig`."""

from harness.cli import main

main()
