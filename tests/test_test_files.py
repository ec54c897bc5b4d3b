"""Test files are short, with one idea each, and no two of them have the same name."""

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parent
FILES = sorted(TESTS.rglob("*.py"))
MOST = 250


def too_long(files):
    lengths = {str(path.relative_to(TESTS)): len(path.read_text().splitlines()) for path in files}
    return {name: lines for name, lines in lengths.items() if lines > MOST}


def test_no_test_file_has_more_than_250_lines():
    assert too_long(FILES) == {}, (
        "split it by idea; what both halves need goes into a module or conftest.py beside them"
    )


def test_files_of_different_folders_have_different_names():
    """They are imported by name alone: of two modules of one name, pytest finds the first."""
    names = Counter(path.stem for path in FILES if "support" not in path.relative_to(TESTS).parts)
    names.update(entry.stem for entry in (TESTS / "support").iterdir() if entry.name != "__pycache__")
    assert [name for name, count in names.items() if count > 1 and name != "conftest"] == []
