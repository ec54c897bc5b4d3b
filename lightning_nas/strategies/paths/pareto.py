"""Fronts of points of which the first value is to be large and all others small."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(values: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the points that no other point dominates: first value as large, the others as small as possible.

    Example:
        >>> pareto_front([(0.9, 10.0), (0.8, 5.0), (0.7, 7.0)])
        [0, 1]
    """
    losses = [(-point[0], *point[1:]) for point in values]

    def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    return [index for index, own in enumerate(losses) if not any(dominates(other, own) for other in losses)]


def thinned(front: Sequence[tuple[float, float]], count: int) -> list[int]:
    """Indices of some points of a front, cheapest first: both ends, and in between those that lie most evenly by cost.

    Args:
        front: (value, cost) of every point, none of which dominates another.
        count: How many are kept, at most; of one it is the best.

    Example:
        >>> thinned([(0.1, 1.0), (0.2, 2.0), (0.3, 2.1), (0.4, 9.0), (0.5, 10.0)], 3)
        [0, 2, 4]
    """
    order = sorted(range(len(front)), key=lambda index: front[index][1])
    points = [
        order[place] for place, index in enumerate(order) if place == 0 or front[index] != front[order[place - 1]]
    ]
    if len(points) <= count:
        return points
    if count == 1:
        return points[-1:]
    low, high = front[points[0]][1], front[points[-1]][1]
    kept, rest = {points[0], points[-1]}, points[1:-1]
    for place in range(1, count - 1):
        aim = low + (high - low) * place / (count - 1)
        nearest = min((index for index in rest if index not in kept), key=lambda index: abs(front[index][1] - aim))
        kept.add(nearest)
    return [index for index in points if index in kept]


def knee(front: Sequence[tuple[float, float]]) -> int:
    """Index of the point of a front that lies farthest above the line between its ends, both axes scaled to one.

    Args:
        front: (value, cost) of every point. Of fewer than three, it is the best.

    Example:
        >>> knee([(0.5, 10.0), (0.48, 4.0), (0.1, 1.0)])
        1
    """
    best = max(range(len(front)), key=lambda index: front[index][0])
    cheapest = min(range(len(front)), key=lambda index: front[index][1])
    (high, dear), (low, cheap) = front[best], front[cheapest]
    if len(front) < 3 or high == low or dear == cheap:
        return best
    return max(
        range(len(front)), key=lambda i: (front[i][0] - low) / (high - low) - (front[i][1] - cheap) / (dear - cheap)
    )
