"""Text and JSON as the tools of other systems write them, and as nobody should: read, or refused in words."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from typing import Any

from lightning_nas.errors import ArgumentError

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""How a file begins, and what follows: editors and shells of Windows write such marks."""


def decode_text(raw: bytes) -> str:
    r"""UTF-8, or UTF-16 that says so, as text whose lines end with a newline alone.

    Raises:
        ValueError: If it is neither.

    Example:
        >>> decode_text("a,b\r\n1,2\r3,4".encode("utf-16")).split("\n")
        ['a,b', '1,2', '3,4']
    """
    mark = next((mark for mark in MARKS if raw.startswith(mark)), b"")
    try:
        text = raw[len(mark) :].decode(MARKS.get(mark, "utf-8"))
    except UnicodeDecodeError as error:
        raise ArgumentError(f"not UTF-8 text, nor UTF-16 with a mark at its beginning: {error}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_json(text: str, *, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """Reads JSON; an object that holds a key twice, of which all but the last would be lost, is refused.

    Args:
        text: The text.
        parse_constant: What becomes of ``NaN``, ``Infinity`` and ``-Infinity``, see :func:`json.loads`.

    Raises:
        ValueError: If it is no JSON, or nested too deeply to be read.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=parse_constant)
    except RecursionError:
        raise ArgumentError("nested too deeply to be read") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [key for key, _ in pairs]
        raise ArgumentError(f"duplicate keys in JSON object: {sorted({key for key in names if names.count(key) > 1})}")
    return result
