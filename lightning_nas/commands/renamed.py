"""Names that commands once had: whoever still uses one is told the new one."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_nas.errors import ConfigError

RENAMED = {
    "example=classification": "recipe=default/small",
    "example=detection": "recipe=detection/small",
    "example=segmentation": "recipe=segmentation/small",
    "experiment=auto_deeplab": "recipe=auto_deeplab/train",
    "experiment=auto_deeplab_search": "recipe=auto_deeplab/search",
    "experiment=coco_retinanet_640": "recipe=retinanet/train_640",
    "experiment=coco_retinanet_800": "recipe=retinanet/train",
    "experiment=darts_cifar": "recipe=darts/train",
    "experiment=darts_imagenet": "recipe=darts/train_imagenet",
    "experiment=darts_search_cifar": "recipe=darts/search",
    "experiment=detnas": "recipe=detnas/search",
    "experiment=detnas_small": "recipe=detnas/small",
    "experiment=gas": "recipe=gas/train",
    "experiment=gas_search": "recipe=gas/search",
    "experiment=gas_small": "recipe=gas/small",
    "experiment=nas_fpn_proxy": "recipe=nas_fpn/search",
    "experiment=small": "recipe=imagefolder/small_train",
    "experiment=small_search": "recipe=imagefolder/small",
    "strategy=darts_short": "strategy=darts_small",
}
"""The old choice of a group, and the new one."""


def refuse_old_names(overrides: Sequence[str]) -> None:
    """Names the new choice for an old one, also in a sweep over several.

    Args:
        overrides: The words of a command, ``key=value``.

    Raises:
        ConfigError: If one of them is an old name.
    """
    old_groups = {old.partition("=")[0] for old in RENAMED} - {new.partition("=")[0] for new in RENAMED.values()}
    for item in overrides:
        group, _, values = item.lstrip("+").partition("=")
        for value in values.split(","):
            old = f"{group}={value.strip()}"
            if old in RENAMED:
                raise ConfigError(f"{old} is now {RENAMED[old]}")
        if group in old_groups:
            raise ConfigError(f"{item}: the group {group} is now recipe; --help lists its options")
