"""``ui``: a page on this machine over the runs of a folder."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

from omegaconf import DictConfig

from lightning_nas.errors import ConfigError, MissingPackageError

HOST = "127.0.0.1"
"""The only address that is listened on: runs are nobody else's business."""


def run(config: DictConfig) -> None:
    """Serves the page until it is interrupted.

    Raises:
        ConfigError: If there is no such folder, or the port is taken.
        MissingPackageError: If the packages of a web page are not installed.
    """
    if not config.run or not Path(config.run).is_dir():
        raise ConfigError(f"run = {config.run!r}: there is no such folder")
    try:
        import uvicorn

        from lightning_nas.report.overview.app import make_app
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "starlette"):
            raise
        raise MissingPackageError(f"ui: {error.name} is not installed: pip install 'lightning-nas[ui]'") from None
    with listening(config.port) as place:
        print(f"runs of {config.run}: http://{HOST}:{place.getsockname()[1]}    (ends with Ctrl+C)", flush=True)
        settings = uvicorn.Config(make_app(Path(config.run)), log_level="warning", server_header=False)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(settings).run([place])


def listening(port: int) -> socket.socket:
    """A place on this machine alone at which requests come in.

    Raises:
        ConfigError: If the port is out of range or taken.
    """
    if not 0 <= port <= 65535:
        raise ConfigError(f"port = {port}: expected 0 to 65535")
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise ConfigError(f"port = {port}: {error.strerror}; name another one, or 0 for any that is free") from None
