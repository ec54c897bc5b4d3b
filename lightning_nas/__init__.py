"""Neural architecture search as a PyTorch Lightning plugin, for dense prediction."""

from pathlib import Path

_root = Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file():  # a checkout: tasks/ and conf/ lie beside the package
    __path__.append(str(_root))
