"""What a file imports, read from its source."""

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "lightning_nas"


def imports(path: Path) -> frozenset[str]:
    """Dotted names that a file imports from anywhere, also inside functions; ``from a import b`` gives ``a.b``."""
    return _imported(path, path.read_text())


@functools.cache
def _imported(path: Path, text: str) -> frozenset[str]:
    """Parsed once: many rules look at the same files."""
    package = ["lightning_nas", *path.relative_to(LIBRARY).parent.parts] if path.is_relative_to(LIBRARY) else []
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return frozenset(names)
