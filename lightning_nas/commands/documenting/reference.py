"""The reference of the API: pages that pdoc makes of the docstrings."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import pdoc.doc
import pdoc.render
from rich.progress import track

from lightning_nas.architecture import write_atomic

PACKAGES = ("lightning_nas", "lightning_nas.tasks")
"""With all modules below them; installed from a checkout, the second one lies elsewhere."""

NO_API = re.compile(r"lightning_nas\.(cli|commands|conf|guide)\b")
"""What is used from a terminal."""

TEMPLATES = Path(__file__).with_name("reference")

NAMELESS = "Error parsing type annotation"
"""A dataclass has a field of a base in another module, which knows the name of its type: it is shown as it is written."""


def module_names() -> list[str]:
    """Every module that has a page, packages before what is in them."""
    return sorted({name for package in PACKAGES for name in _below(package) if not NO_API.match(name)})


def build_reference(out: Path, names: Sequence[str]) -> list[str]:
    """Writes a page of every module, and the index of the search field.

    Args:
        out: Folder of the pages.
        names: Of the modules.

    Returns:
        What is missing, one sentence each, e.g. a module whose optional package is not installed; and what pdoc warns of.
    """
    missing, modules = [], {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")  # what others say when they are imported
        warnings.filterwarnings("always", category=UserWarning, module=r"pdoc\b")
        warnings.filterwarnings("ignore", NAMELESS, UserWarning)
        pdoc.render.configure(docformat="google", show_source=False, template_directory=TEMPLATES)
        for name in names:
            try:
                _with_what_it_exports(name)
            except ImportError as error:
                missing.append(f"{name}: {error}")
            else:
                modules[name] = pdoc.doc.Module.from_name(name)
        for name, module in track(list(modules.items()), "pages of modules"):
            page = out / f"{name.replace('.', '/')}.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(page, pdoc.render.html_module(module, modules))
        defining = {
            name: module for name, module in modules.items() if not module.is_package
        }  # packages export what these hold
        write_atomic(out / "search.js", pdoc.render.search_index(defining or modules))
    return [*missing, *(" ".join(str(warning.message).split()) for warning in caught)]


def _below(package: str) -> Iterator[str]:
    for folder in import_module(package).__path__:
        for file in Path(folder).rglob("*.py"):
            parts = file.relative_to(folder).with_suffix("").parts
            inside = parts[:-1] if parts[-1] == "__init__" else parts
            if not any(part.startswith("_") for part in inside):
                yield ".".join((package, *inside))


def _with_what_it_exports(name: str) -> None:
    """Imports a module, and what it imports only when it is asked for, as pdoc does not ask."""
    module = import_module(name)
    for exported in getattr(module, "__all__", ()):
        if hasattr(module, exported):  # of a name that is not there pdoc warns
            setattr(module, exported, getattr(module, exported))
