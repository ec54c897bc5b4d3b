"""What the library raises about something that it was given: one tree, whose texts need no traceback.

The command line prints these as one sentence. Every other exception, of a user's own task or data module for one, keeps
its traceback. A task of one's own that finds a mistake of its user's may raise one of these, or a child of its own.
"""

from __future__ import annotations

import traceback


class NasError(ValueError):
    """Something that was given cannot be used; the text names it, its value and what was expected."""


class ArgumentError(NasError):
    """An argument that is out of range, or does not fit the others."""


class ArchitectureError(NasError):
    """An architecture record that is malformed, of another version, or does not belong to its search space."""


class ConfigError(NasError):
    """A config that cannot be run; the text names the key, its value and what was expected."""


class JobError(NasError):
    """A search that cannot be done as it was asked for; the text names the argument, its value and what was expected."""


class WeightsError(NasError):
    """A file that holds no weights, or weights that belong to another network."""


class CheckpointError(NasError):
    """A checkpoint that is damaged while there is no other."""


class RunFolderError(NasError):
    """A file of a run that is damaged, or does not belong there."""


class StudyError(NasError):
    """A study that cannot be opened or gone on with; the text says why and what would help."""


class TableError(NasError):
    """A table that cannot be used; the text names the file and what is wrong."""


class UncountableError(NasError):
    """The forward pass of a task cannot be run for one image."""


class ReportError(NasError):
    """A run folder lacks a file that a report needs, or a file is not what it should be."""


class MissingFileError(NasError, FileNotFoundError):
    """A file or a folder that was named is not there."""


class MissingPackageError(NasError, ImportError):
    """An optional package that is needed for what was asked, and is not installed; the text says how to install it."""


class ExportError(NasError):
    """A network that cannot be exported, or whose file cannot be run."""


class NotFiniteError(NasError, FloatingPointError):
    """A loss, a gradient or a weight that is no finite number any more."""


def described(error: BaseException) -> str:
    """Type and text of an exception, and where it was raised, unless it is one of ours.

    Example:
        >>> described(ArgumentError("count must be at least 1, got 0"))
        'ArgumentError: count must be at least 1, got 0'
    """
    text = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, NasError) or not frames:
        return text
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno}, in {frames[-1].name})"
