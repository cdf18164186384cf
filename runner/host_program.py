"""A program of ours as one file that a host's Python runs: a single module as it is, a package packed into a zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

_SENT = (".py", ".config")
# Under its own name inside, it is the same package there as here, and its modules shadow nothing of the host's Python.
_START = "import runpy\n\nrunpy.run_module({name!r}, run_name='__main__')\n"


def packed(program: Path, *, instead: Mapping[str, Path] | None = None) -> bytes:
    """What ``python <file> <arguments>`` runs: a module, or a package with ``__main__.py``. The same sources make the same bytes.

    ``instead``: files of the package whose content comes from elsewhere.
    """
    if program.is_file():
        return program.read_bytes()
    made = io.BytesIO()
    # Stored, not deflated: zlib's versions differ in their bytes. A ZipInfo's date, unlike a name's, is always the same.
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py"), _START.format(name=program.name))
        for path in sorted(path for path in program.rglob("*") if path.suffix in _SENT):
            name = path.relative_to(program.parent).as_posix()
            archive.writestr(zipfile.ZipInfo(name), (instead or {}).get(path.name, path).read_bytes())
    return made.getvalue()
