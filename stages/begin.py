"""What every stage script imports first: the library of this checkout, and how a stage begins.

DVC's queue runs stages in a copy of the checkout, where an installed halo_forge would be that of the original.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from halo_forge.stage import stage  # noqa: E402

__all__ = ["stage"]
