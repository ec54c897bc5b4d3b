"""What libraries do again and again is done once in the process of the tests and in those that are forked from it.

Hydra composes a command's settings twice, first to see whether it is a sweep, and reads, merges and copies dozens of files each
time: more than a small command takes. Every Trainer looks through all installed packages for callbacks of theirs, as long as
three small batches, and whoever draws numbers asks for devices that are not there. Processes that start from nothing, such as
those of the packaging test, do all of it.
"""

from __future__ import annotations

import copy
import functools
import pickle
import sqlite3
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

_NO_CHOICES = SimpleNamespace(known_choices={})


def compose_once() -> None:
    """The mode is that of the command line; what the same choices of files in packages give is read and composed once.

    Single values are set in a copy of it, each time.
    """
    import omegaconf.base
    from hydra._internal import config_loader_impl, defaults_list
    from hydra._internal.config_repository import CachingConfigRepository
    from hydra._internal.hydra import Hydra
    from hydra.core import utils
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.plugins import Plugins
    from hydra.plugins.config_source import ConfigSource

    Plugins.instance()  # imports anew what is changed here
    Hydra.get_mode = lambda *_, **__: None  # type: ignore[method-assign]  # what it finds where nothing sets hydra.mode
    utils.copy = SimpleNamespace(deepcopy=_duplicate)  # type: ignore[attr-defined]
    CachingConfigRepository.__init__ = _begin  # type: ignore[method-assign]
    defaults_list._create_interpolation_map = functools.partial(_interpolated, defaults_list._create_interpolation_map)
    for source in ConfigSource.__subclasses__():
        if source.scheme() == "pkg":
            source._read_config = _once(source._read_config, lambda of, file: (of.provider, of.path, str(file)))
    Composed(config_loader_impl, defaults_list.Overrides).replace()
    OverridesParser.parse_rule = _once(OverridesParser.parse_rule, lambda _, text, rule: (text, rule))  # type: ignore[method-assign]
    omegaconf.base.parse = functools.cache(omegaconf.base.parse)  # type: ignore[attr-defined]  # trees that are only read
    omegaconf.base.Metadata.__deepcopy__ = _copied  # type: ignore[attr-defined]


class Composed:
    """What files of packages give together, by their choice."""

    def __init__(self, loading: Any, overrides: Any) -> None:
        self.loading, self.overrides = loading, overrides
        self.list_files, self.compose = (
            loading.create_defaults_list,
            loading.ConfigLoaderImpl._compose_config_from_defaults_list,
        )
        self.chosen: dict[str, Any] = {}
        self.composed: dict[int, bytes] = {}

    def replace(self) -> None:
        """From here on Hydra asks for it."""
        self.loading.create_defaults_list = self.listed
        self.loading.ConfigLoaderImpl._compose_config_from_defaults_list = lambda *args, **kw: self.config(*args, **kw)

    def listed(self, repo: Any, config_name: Any, overrides_list: Any, **options: Any) -> Any:
        """The files, and the values that are set in them."""
        places = [(source.scheme(), source.provider, source.path) for source in repo.get_sources()]
        if any(scheme not in ("pkg", "structured") for scheme, *_ in places):
            return self.list_files(repo=repo, config_name=config_name, overrides_list=overrides_list, **options)
        single = self.overrides(repo=repo, overrides_list=overrides_list).config_overrides
        files = [override for override in overrides_list if not any(override is other for other in single)]
        key = repr((places, config_name, [override.input_line for override in files], sorted(options.items())))
        if key not in self.chosen:
            self.chosen[key] = self.list_files(repo=repo, config_name=config_name, overrides_list=files, **options)
        found = copy.copy(self.chosen[key])
        found.config_overrides = single
        return found

    def config(self, loader: Any, defaults: Any, repo: Any) -> Any:
        """Composed of the files."""
        if not any(defaults is known.defaults for known in self.chosen.values()):
            return self.compose(loader, defaults=defaults, repo=repo)
        if id(defaults) not in self.composed:
            config = self.compose(loader, defaults=defaults, repo=repo)
            try:
                self.composed[id(defaults)] = pickle.dumps(config)
            except pickle.PicklingError:  # in a worker of a sweep, which has been sent classes
                return config
        return pickle.loads(self.composed[id(defaults)])


def _begin(repository: Any, delegate: Any) -> None:
    """Its sources are replaced, not changed: they need no copies."""
    repository.delegate, repository.cache = copy.copy(delegate), {}


def _interpolated(create: Callable[..., Any], overrides: Any, defaults_list: Any, self_added: bool) -> Any:
    """What other choices a list of files may name, if one does."""
    named = any("${" in str(vars(default)) for default in defaults_list)
    return create(overrides, defaults_list, self_added) if named else create(_NO_CHOICES, [], self_added)


def _duplicate(config: Any) -> Any:
    try:
        return pickle.loads(pickle.dumps(config))
    except pickle.PicklingError:  # in a worker of a sweep, which has been sent classes
        return copy.deepcopy(config)


def _copied(metadata: Any, memo: dict[int, Any]) -> Any:
    """What a node of a config says of itself: types, and two dictionaries of its own. Each config has hundreds of nodes."""
    new = object.__new__(type(metadata))
    new.__dict__.update(vars(metadata), flags=copy.copy(metadata.flags))
    new.resolver_cache = copy.deepcopy(metadata.resolver_cache, memo)
    return new


def _once(function: Callable[..., Any], key: Callable[..., Any]) -> Callable[..., Any]:
    """Calls it once for each key; whoever asks gets a copy."""
    known: dict[Any, bytes] = {}

    def call(*arguments: Any, **named: Any) -> Any:
        found = key(*arguments, **named)
        if found not in known:
            known[found] = pickle.dumps(function(*arguments, **named))
        return pickle.loads(known[found])

    return call


def look_for_packages_once() -> None:
    """None are installed while tests run."""
    names = [f"{family}.utilities.registry" for family in ("lightning_fabric", "lightning.fabric")]
    for registry in filter(None, map(sys.modules.get, names)):
        registry.entry_points = functools.cache(registry.entry_points)


def read_digits_once() -> None:
    """Every data module and every training of digits unpacks and parses the same numbers: as long as a small epoch."""
    base = sys.modules.get("sklearn.datasets._base")
    if base is not None:
        name = "load_gzip_compressed_csv_data"
        setattr(base, name, _once(getattr(base, name), lambda *what, **how: repr((what, sorted(how.items())))))


def keep_databases_quickly() -> None:
    """Those of Optuna look through the versions of their tables once, and no commit waits for the disk.

    No test takes away the power; what a process that is killed has committed, the system has.
    """
    if "optuna" not in sys.modules:
        return
    from optuna.storages._rdb import storage
    from sqlalchemy import Engine, event

    manager = storage._VersionManager
    known: list[Any] = []
    create = manager._create_alembic_script

    def script(self: Any) -> Any:
        known[:] = known or [create(self)]
        return known[0]

    manager._create_alembic_script = script  # type: ignore[method-assign]
    event.listen(Engine, "connect", _hurry)


def _hurry(connection: Any, record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


def look_for_devices_once() -> None:
    """A driver that is not there is not looked for again.

    What is logged stays where all else is, as moving copies it; a seed is not kept, with the stack of who set it, for later.
    """
    torch, cuda = sys.modules.get("torch"), sys.modules.get("torch.cuda")
    if cuda is None or cuda.device_count() > 0:
        return
    cuda._cached_device_count = 0
    for family in ("pytorch_lightning", "lightning.pytorch"):
        result = sys.modules.get(f"{family}.trainer.connectors.logger_connector.result")
        if result is not None:
            result._ResultMetric.to = lambda metric, *_, **__: metric
    for name in ("cuda", "xpu", "mtia"):
        device = getattr(torch, name, None)
        for module in (device, sys.modules.get(f"torch.{name}.random")):
            if hasattr(module, "_lazy_call") and not device.is_available():
                module._lazy_call = _never


def _never(call: Callable[[], None], **options: Any) -> None:
    """In the place of what waits for a device."""
