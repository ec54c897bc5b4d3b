"""Files that are either whole or absent."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lightning_nas.architecture.text_files import decode_text
from lightning_nas.errors import ArgumentError, MissingFileError

MAX_BYTES = 4 * 2**20
"""No architecture record is larger; a file that is, is something else."""


def write_atomic(
    path: str | os.PathLike[str], content: str | bytes | memoryview, *, before: str | os.PathLike[str] | None = None
) -> None:
    """Writes a file so that a crash leaves the old one or the new one, never half of one.

    What is written goes into a file beside it, which takes its name when it is whole.

    Args:
        path: The file.
        content: All of it.
        before: The old file, if there is one, takes this name in the moment before. A crash between both leaves this one.

    Raises:
        OSError: If it cannot be written; it names the file.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        if before is not None and target.exists():
            os.replace(target, before)
        os.replace(temporary, target)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise


def read_text(path: str | os.PathLike[str]) -> str:
    """Reads a small text file.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is too large or not text.
    """
    source = Path(path)
    if not source.is_file():
        raise MissingFileError(f"no architecture file at {source}")
    if source.stat().st_size > MAX_BYTES:
        raise ArgumentError(f"larger than {MAX_BYTES} bytes: not an architecture record")
    return decode_text(source.read_bytes())
