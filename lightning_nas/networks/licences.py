"""What is known of the licence of pretrained weights: what the library that publishes them says, and nothing else."""

from __future__ import annotations

from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from lightning_nas.architecture import Architecture
from lightning_nas.spaces.elastic.families import TIMM, TORCHVISION


def pretrained_record(named: bool | str | None, architecture: Architecture) -> dict[str, Any] | None:
    """What a run writes down of the weights that its training started from.

    Args:
        named: As the user named them: True for those of the seed of the space, the name of a network, or a file.
        architecture: Of the network, which says the seed.

    Returns:
        ``source``; ``weights``, their name in the library; ``licence``, or None where none is stated; ``terms``, what is said
        about it in a sentence. None if nothing pretrained was named.
    """
    if not named:
        return None
    if named is True:
        seeds = [one.space_args["seed"] for one in architecture.components.values() if "seed" in one.space_args]
        named = str(seeds[0]) if seeds else "the seed of the space"
    if named in TORCHVISION:
        return _of_torchvision(named)
    if named in TIMM:
        return _of_timm(named)
    return {
        "source": Path(named).name,
        "weights": None,
        "licence": None,
        "terms": "A file of the user's: it says nothing of its licence.",
    }


def _of_torchvision(name: str) -> dict[str, Any]:
    """In torchvision the ``meta`` of some weights names a licence; its README warns of terms for the others."""
    from torchvision.models import get_model_weights

    weights = get_model_weights(name).DEFAULT
    licence = weights.meta.get("license")
    about = metadata("torchvision")
    code = f"its code is under {about['License-Expression'] or about['License'] or 'a licence that its package does not name'}"
    if licence is None:
        terms = (
            f"torchvision {about['Version']} states no licence for these weights ({code}). Its README says that pretrained "
            "models may have licences or terms of their own, from the data that they were trained on, and that who uses them "
            "has to find out whether that is permitted."
        )
    else:
        terms = f"As torchvision {about['Version']} states for these weights ({code})."
    return {"source": f"torchvision: {name}", "weights": str(weights), "licence": licence, "terms": terms}


def _of_timm(name: str) -> dict[str, Any]:
    """In timm the ``pretrained_cfg`` of most weights names a licence."""
    import timm

    found = timm.get_pretrained_cfg(name)
    assert found is not None, "one of TIMM"
    licence, tag = found.license, f"{found.architecture or name}{f'.{found.tag}' if found.tag else ''}"
    stated = "names this licence" if licence else "names no licence"
    terms = (
        f"timm {metadata('timm')['Version']} {stated} in the pretrained_cfg of these weights. Its README adds that terms of "
        "the data that weights were trained on, such as ImageNet's, may hold for them as well."
    )
    return {"source": f"timm: {name}", "weights": tag, "licence": licence, "terms": terms}
