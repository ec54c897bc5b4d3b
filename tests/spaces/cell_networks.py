"""Networks of the NASNet family, computed by other means than in the library."""

import torch

from lightning_nas.networks.inherit import inherit_weights

OLDER, NEWER = 0, 1


def kind_of(space, index):
    return "reduce" if index in (space.cells // 3, 2 * space.cells // 3) else "normal"


def unread(space, choices, kind):
    """The rule of the papers, from the decisions alone."""
    inputs = [option for name, option in choices.items() if name.startswith(kind) and "input" in name]
    return [state for state in range(space.blocks + 2) if state not in inputs]


def textbook(space, choices, network, x):
    """The last map of a found network: its modules, called one by one as the decisions say."""
    older = newer = network.macro.stem(x)
    for index, cell in enumerate(network.macro.cells):
        kind = kind_of(space, index)
        states = [cell.inputs.older(older), cell.inputs.newer(newer)]
        for block in range(2, space.blocks + 2):
            first, second = (
                cell.ops[2 * (block - 2) + side](states[choices[f"{kind}.{block}.input{side}"]]) for side in (0, 1)
            )
            states.append(first + second)
        parts = []
        for state in unread(space, choices, kind):
            halved = kind == "reduce" and state in (OLDER, NEWER)
            parts.append(cell.outcome.halve[str(state)](states[state]) if halved else states[state])
        older, newer = newer, cell.outcome.close(torch.cat(parts, dim=1))
    return newer


def take_weights(network, supernet, space, choices):
    """Gives a found network all weights of its path, those of convolutions on concatenations as slices.

    Returns:
        The tensors that neither have a counterpart of equal shape nor are such slices.
    """
    left = set(inherit_weights(network, supernet, choices).skipped)
    theirs = supernet.state_dict()
    for name, weight in network.state_dict().items():
        if name in left and name in theirs and theirs[name].shape[1] > weight.shape[1]:
            index = int(name.split(".")[2])
            source = index - (2 if ".older." in name else 1) if ".inputs." in name else index
            states = unread(space, choices, kind_of(space, source))
            width = weight.shape[1] // len(states)
            parts = theirs[name].split(width, dim=1)
            weight.copy_(torch.cat([parts[state] for state in states], dim=1))
            left.remove(name)
    return left


def randomised(network, seed=0):
    """Statistics and scales as after a training, not 0 and 1; in evaluation mode, float64."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator))
            module.running_var.copy_(1 + torch.rand(module.running_var.shape, generator=generator))
            if module.affine:
                torch.nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
                torch.nn.init.uniform_(module.bias, -0.5, 0.5, generator=generator)
    return network.double().eval()
