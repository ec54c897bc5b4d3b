"""An object that stands in front of a user's own one, and lets through what is asked of that."""

from __future__ import annotations

from typing import Any

from lightning_nas.search.lightning.privates import copy_hyperparameter_names, has_hyperparameters


class Transparent:
    """Public attributes that the outer object lacks are read from, and written to, the inner one.

    So a callback that asks the module for its ``backbone``, a Tuner that sets ``lr`` or ``batch_size``, and a logger that
    asks for hyperparameters find what they find without a search. Names that both have are the outer object's.

    A subclass says in :meth:`_inner` what stands behind it.
    """

    def _inner(self) -> Any:
        """The user's object; None while there is none yet."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)  # type: ignore[misc]
        except AttributeError:
            inner = None if name.startswith("_") else self._inner()
            if inner is None or not hasattr(inner, name):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None
        return getattr(inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        inner = None if name.startswith("_") or name in vars(self) or hasattr(type(self), name) else self._inner()
        if inner is not None and name not in vars(self).get("_modules", ()) and hasattr(inner, name):
            setattr(inner, name, value)
        else:
            super().__setattr__(name, value)

    # ---- hyperparameters: those of the inner object, as long as the outer one has saved none ----------------------------

    @property
    def hparams(self) -> Any:
        """The hyperparameters that the user's object has saved."""
        return super().hparams if has_hyperparameters(self) else getattr(self._inner(), "hparams", {})  # type: ignore[misc]

    @property
    def hparams_initial(self) -> Any:
        """The same as they were at first, for loggers."""
        return super().hparams_initial if has_hyperparameters(self) else getattr(self._inner(), "hparams_initial", {})  # type: ignore[misc]

    def _take_hyperparameters(self) -> None:
        """Tells Lightning, which asks for private names, whether and by which name they were saved."""
        copy_hyperparameter_names(self._inner(), self)
