"""Files of the user's own that the pipeline reads: they lie where DVC looks for changes.

The stages that read them depend on these folders. A list of files in params.yaml cannot be a dependency by itself, and
a file elsewhere could be edited without `dvc repro` noticing.
"""

from __future__ import annotations

import os
from pathlib import Path

from halo_forge.errors import InputError

OWN = Path("data/own")


def watched(setting: str, path: str, *more: Path) -> Path:
    """The file that `setting` names, if it lies in data/own or in one of the folders `more`. Raises InputError."""
    folders, place = (OWN, *more), Path(os.path.normpath(path))
    if any(place.is_relative_to(folder) for folder in folders):
        return place
    raise InputError(
        f"params.yaml: {setting}: {path} lies outside of {' and '.join(map(str, folders))}, so DVC would not see an "
        f"edit of it; put it there (cp {path} {OWN}/, or ln -s to keep it where it is) and name {OWN / place.name}"
    )
