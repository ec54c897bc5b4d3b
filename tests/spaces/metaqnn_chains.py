"""Small MetaQNN spaces, all of their chains, and the rules of the paper."""

import math

from lightning_nas.spaces import MetaQnn

SMALL = MetaQnn(filters=(4, 6), kernels=(1, 3), pools=((3, 2), (2, 2)), features=(8, 5), depth=4, image_size=8)
TINY = MetaQnn(filters=(4,), kernels=(1, 3), pools=((3, 2), (2, 2)), features=(8, 5), depth=4, image_size=9)


def legal(tokens, space):
    """The rules of the paper, checked on a whole network."""
    size, connected = space.image_size, []
    for place, token in enumerate(tokens):
        kind, *numbers = token.split("_")
        numbers = [int(number) for number in numbers]
        before = tokens[place - 1].split("_")[0] if place else None
        visible = {"bucket": 8 if size > 7 else 4 if size > 3 else 1, "size": size}[space.kernel_limit]
        if (kind == "softmax") != (place == len(tokens) - 1):
            return False
        if kind == "softmax":
            continue
        if before == "gap" or place >= space.depth or (before == "fc" and kind != "fc"):
            return False
        if kind == "conv" and numbers[1] >= visible:
            return False
        if kind == "pool":
            if before in (None, "pool") or numbers[0] >= visible:
                return False
            size = math.ceil((size - numbers[0] + 1) / numbers[1])
        if kind == "fc":
            if len(connected) == space.max_fc or (connected and numbers[0] > connected[-1]):
                return False
            if not connected and size > 7:
                return False
            connected.append(numbers[0])
    return tokens[-1] == "softmax"


def alphabet(space):
    return (
        ["softmax", "gap"]
        + [f"conv_{n}_{k}" for n in space.filters for k in space.kernels]
        + [f"pool_{k}_{s}" for k, s in space.pools]
        + [f"fc_{n}" for n in space.features]
    )


def enumerated(space):
    """All architectures, by following the options."""

    def grow(choices):
        if len(choices) == len(space.decisions):
            yield choices
            return
        name = space.decisions[len(choices)]
        allowed = space.options(name, choices)
        if not allowed:
            yield choices
        for option in allowed:
            yield from grow({**choices, name: option})

    return list(grow({}))
