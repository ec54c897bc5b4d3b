"""``docs``: the guides and the reference of the API as one folder of pages that need no server."""

from __future__ import annotations

import shutil
import webbrowser
from pathlib import Path
from tempfile import TemporaryDirectory

from omegaconf import DictConfig

from lightning_nas.errors import ConfigError, MissingPackageError

PACKAGES = ("pdoc", "markdown_it", "pygments")
"""Of the extra ``docs``."""


def run(config: DictConfig) -> Path:
    """Builds all pages, and opens the first one if that is wanted.

    Returns:
        The first page.

    Raises:
        ConfigError: If the folder holds something else, or cannot be written.
        MissingPackageError: If the packages are not installed that make pages.
    """
    if not config.out:
        raise ConfigError(f"out = {config.out!r}: name a folder for the pages, e.g. out=runs/docs")
    out = Path(config.out).expanduser()
    try:
        from lightning_nas.commands.documenting.guides import REFERENCE, build_guides
        from lightning_nas.commands.documenting.reference import build_reference, module_names
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            raise
        raise MissingPackageError(f"docs: {error.name} is not installed: pip install 'lightning-nas[docs]'") from None
    require_ours(out, REFERENCE)
    out.parent.mkdir(parents=True, exist_ok=True)
    print("building the guides and, in about a minute, the reference of the API", flush=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as place:
        made = Path(place, "pages")
        made.mkdir()
        pages = build_guides(made)
        for problem in build_reference(made / REFERENCE, module_names()):
            print(f"left out: {problem}")
        count = sum(1 for _ in made.rglob("*.html"))
        if out.exists():
            shutil.rmtree(out)
        made.rename(out)
    first = (out / "index.html").resolve()
    print(f"docs: {first}, {len(pages)} guides, {count} pages in all")
    if config.open and not webbrowser.open(first.as_uri()):
        print("open: there is no browser on this machine; open that file in one")
    return first


def require_ours(out: Path, reference: str) -> None:
    """A folder is replaced only if an earlier call has written it.

    Args:
        out: The folder.
        reference: Name of the part that no other folder has beside ``index.html``.

    Raises:
        ConfigError: If it holds anything else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / "index.html").is_file() or not (out / reference / "lightning_nas.html").is_file():
        raise ConfigError(f"out = {str(out)!r}: something else is there: name a new folder, or that of an earlier docs")
