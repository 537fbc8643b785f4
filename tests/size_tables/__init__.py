# SPDX-License-Identifier: Apache-2.0
"""`./run size_tables`: the numbers from which `quantrig analyze` estimates flash and RAM."""
