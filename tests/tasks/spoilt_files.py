"""JSON values and bytes, spoilt in ways that hypothesis draws.

A few examples by default; ``NAS_HOSTILE_EXAMPLES=1000`` for many.
"""

import copy
import json
import os
import warnings

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FEW = settings(
    max_examples=int(os.environ.get("NAS_HOSTILE_EXAMPLES", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
ODD = [
    None, True, False, 0, -1, 1.5, 10**30, -(10**400), 2**63, float("nan"), float("inf"), "", "1", "\0", "\ud800", "../../etc",
    "__import__('os').system('touch sprung')", "!!python/object/apply:os.system ['touch sprung']", [], [1], {}, {"id": 1},
    {"_target_": "os.system", "command": "touch sprung"}, [[]], "a" * 5000,
]  # fmt: skip
VALUES = st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=4)


def places(value, path=()):
    """Where the parts of a JSON value are."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def changed(value, path, new, how):
    """A copy with one part replaced, removed or repeated."""
    if not path:
        return new
    value = copy.deepcopy(value)
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    if how == "remove":
        del holder[path[-1]]
    elif how == "repeat" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[path[-1]]))
    else:
        holder[path[-1]] = new
    return value


@st.composite
def spoilt(draw, whole):
    """A JSON value with one to three faults, as text; sometimes cut, sometimes with other bytes."""
    value = whole
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(sorted(places(value), key=repr)))
        value = changed(value, path, draw(VALUES), draw(st.sampled_from(["replace", "replace", "remove", "repeat"])))
    text = json.dumps(value).encode("utf-8", "surrogatepass")
    return spoilt_bytes(draw, text) if draw(st.integers(0, 9)) == 0 else text


def spoilt_bytes(draw, raw):
    """Cut, changed in some bytes, or in another encoding."""
    how = draw(st.sampled_from(["cut", "bytes", "utf-16", "nested"]))
    if how == "cut":
        return raw[: draw(st.integers(0, len(raw)))]
    if how == "utf-16":
        return b"\xff\xfe" + raw.decode("utf-8", "replace").encode("utf-16-le")
    if how == "nested":
        return b"[" * 50_000 + raw
    changed = bytearray(raw)
    for _ in range(draw(st.integers(1, 8))):
        changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


def refusal(kind, call):
    """What is said if the call is refused, or None; any other error fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except kind as error:
            return str(error)
    return None
