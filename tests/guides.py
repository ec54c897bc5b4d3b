"""What the guides show, taken apart for tests."""

import ast
import re
from pathlib import Path

from lightning_nas.commands.documenting.guides import FOLDER, read_guide

ROOT = Path(__file__).resolve().parent.parent
GUIDES = [read_guide(file) for file in sorted(FOLDER.glob("*.md"))]

COMMAND = re.compile(r"^lightning-nas (\w+) ?(.*?)(?:\s+#.*)?$")


def commands():
    """Guide, command, its arguments: every line of a block of shell."""
    return [
        (guide.file.name, line, *COMMAND.fullmatch(line).groups())
        for guide in GUIDES
        for language, code in guide.code
        if language == "bash"
        for line in code.splitlines()
    ]


def overrides_of(arguments):
    """Settings as Hydra composes them: of a sweep the first job, and a place that a reader fills in as a text."""
    items = arguments.split()
    sweep = "-m" in items
    items = [item for item in items if not item.startswith("-")]
    items = [item if not sweep or "[" in item else item.partition(",")[0] for item in items]
    return [re.sub(r"=(.*<[^>]+>.*)", r"='\1'", item) for item in items]


def texts_of_code():
    """Every text of the library and its tasks, three dots for what is filled in."""
    texts = set()
    for folder in ("lightning_nas", "tasks"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    pieces = (part.value if isinstance(part, ast.Constant) else "..." for part in node.values)
                    texts.add("".join(pieces))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.add(node.value)
    return texts


def is_said(quoted, texts):
    """Whether the pieces of a quoted sentence stand in one of these texts, in order."""
    pieces = [piece.strip() for piece in quoted.split("...")]

    def holds(text):
        place = 0
        for piece in pieces:
            place = text.find(piece, place)
            if place < 0:
                return False
            place += len(piece)
        return True

    return any(holds(text) for text in texts)
