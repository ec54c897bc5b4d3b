"""Run folders with a damaged, replaced or foreign file: a command works, or says in one sentence why not; nothing is run.

A few examples by default; ``NAS_HOSTILE_EXAMPLES=1000`` for many.
"""

import contextlib
import io
import json
import os
import pickle
import random
import shutil
import sys
import traceback
import warnings
from collections import Counter

import pytest
import torch
from PIL import Image

COUNT = int(os.environ.get("NAS_HOSTILE_EXAMPLES", "20"))
"""Folders that are tried."""

TINY = (
    "trainer.accelerator=cpu", "trainer.limit_train_batches=1", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1",
    "data.batch_size=8",
)  # fmt: skip
SEARCH = (
    "search", *TINY, "space=nasbench201", "space.channels=4", "space.cells=1", "evaluate.epochs=1", "evaluate.random=0",
    "evaluate.hand_made=false", "search.epochs=1", "search.warmup_epochs=0",
)  # fmt: skip
COMMANDS = {
    "gradient": (*SEARCH, "strategy=darts"),
    "paths": (
        *SEARCH, "strategy=single_path", "strategy.population=2", "strategy.rounds=1", "strategy.parents=1",
        "strategy.mutants=0", "strategy.crossovers=0", "strategy.recalibration_batches=1",
    ),
    "trials": (*SEARCH, "strategy=random", "evaluator=train", "evaluator.epochs=1", "trials.count=1"),
    "training": ("train", *TINY, "architecture=darts_v2", "++network.channels=4", "++network.cells=2", "epochs=1"),
}  # fmt: skip
UNREAD = (".lock", "hparams.yaml", "report.html", "predictions", "events.out", ".hydra/hydra.yaml")
"""What nothing reads again."""

NASTY = (
    None, True, -1, 0, 1, 10**30, float("nan"), "", "1", "\0", "../../etc", [], [1], {}, {"id": 1}, "a" * 5000,
    {"_target_": "os.mkdir", "path": "executed"}, "!!python/object/apply:os.mkdir ['executed']", "${oc.env:HOME}", "${x}", [[]],
)  # fmt: skip


class Bomb:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


def bomb(how):
    """A pickle that runs code: alone, or as a checkpoint."""
    if how:
        return pickle.dumps(Bomb())
    file = io.BytesIO()
    torch.save({"state_dict": {"a": torch.zeros(1)}, "epoch": Bomb(), "pytorch-lightning_version": "2.6.0"}, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def runs(here):
    """A finished run of every kind."""
    Image.new("L", (8, 8)).save(here.folder / "image.png")
    (here.folder / "images").mkdir()
    (here.folder / "image.png").rename(here.folder / "images" / "0.png")
    for name, (command, *arguments) in COMMANDS.items():
        here(command, *arguments, f"hydra.run.dir={name}")
    return here


def places(value, path=()):
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def spoilt_json(rng, text):
    """A JSON text, or one line of several, with one value replaced or removed."""
    lines = text.splitlines() if "\n{" in text.strip() and not text.startswith("{\n") else [text]
    index = rng.randrange(len(lines))
    value = json.loads(lines[index])
    path = rng.choice(list(places(value)))
    if not path:
        value = rng.choice(NASTY)
    else:
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        if rng.random() < 0.3:
            del holder[path[-1]]
        else:
            holder[path[-1]] = rng.choice(NASTY)
    lines[index] = json.dumps(value)
    return ("\n".join(lines) + "\n").encode()


def damage(rng, folder, others):
    """Damages one file of a run folder; says which and how."""
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and not any(name in str(path) for name in UNREAD)
    )
    path = rng.choice(files)
    raw = path.read_bytes()
    kinds = ["remove", "empty", "cut", "bytes", "other", "foreign", "text", "bomb", "folder"]
    textual = path.suffix in (".json", ".jsonl", ".yaml", ".csv")
    how = rng.choice([*kinds, *(["value"] * 8 if textual else [])])
    if how in ("remove", "folder"):
        path.unlink()
        if how == "folder":
            path.mkdir()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(raw[: rng.randrange(len(raw) + 1)])
    elif how == "bytes" and raw:
        changed = bytearray(raw)
        for _ in range(rng.randrange(1, 9)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        path.write_bytes(bytes(changed))
    elif how == "other":
        path.write_bytes(rng.choice(files).read_bytes())
    elif how == "foreign":
        same = [other / path.relative_to(folder) for other in others if (other / path.relative_to(folder)).is_file()]
        path.write_bytes(rng.choice(same or files).read_bytes())
    elif how == "text":
        path.write_bytes(
            rng.choice([b"\xff\xfe\x00", b"[" * 100_000, b"a: [1", b"- 1\n", b"{}\n", b"null", b"\n\n", b"a,b\n1\n"])
        )
    elif how == "bomb":
        path.write_bytes(bomb(rng.random() < 0.5))
    elif how == "value" and path.suffix in (".json", ".jsonl") and raw.strip():
        path.write_bytes(spoilt_json(rng, raw.decode()))
    elif how == "value":
        lines = raw.decode().splitlines()
        index = rng.randrange(len(lines))
        mark = "," if path.suffix == ".csv" else ":"
        cells = lines[index].split(mark)
        cells[rng.randrange(len(cells))] = " " + str(rng.choice(NASTY))
        lines[index] = mark.join(cells)
        path.write_text("\n".join(lines) + "\n")
    return f"{path.relative_to(folder)} {how}"


def commands_on(rng, kind, folder):
    """What a user does with a run folder."""
    name, *arguments = COMMANDS[kind]
    network = ("++network.channels=4", "++network.cells=1" if kind != "training" else "++network.cells=2")
    record = f"architecture={folder}/architecture.json"
    return rng.choice(
        [
            ("report", f"run={folder}"),
            ("report", f"run={folder}"),
            ("predict", f"run={folder}", "images=images", "device=cpu"),
            ("predict", f"run={folder}", "images=images", "device=cpu"),
            (name, *arguments, f"hydra.run.dir={folder}"),
            (name, *arguments, f"hydra.run.dir={folder}"),
            ("train", record, *network, *TINY, "epochs=1", f"inherit={folder}", "hydra.run.dir=inherited"),
        ]
    )


def outcome(here, arguments):
    """None if the command works, the sentence if it is refused; the traceback of anything else."""
    silence = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            warnings.simplefilter("ignore")
            here(*arguments)
    except SystemExit as stopped:
        said = str(stopped.code)
        if said.startswith("error: ") and len(said) < 3000:
            return said, None
        return None, f"said {said[:500]!r} after {silence.getvalue()[-1500:]}"
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "lightning_nas/" in frame.filename]
        place = " < ".join(
            f"{frame.filename.rpartition('lightning_nas/')[2]}:{frame.lineno}" for frame in frames[::-1][:3]
        )
        return None, f"{type(error).__name__}: {str(error)[:200]} at {place}"
    return None, None


def test_a_damaged_run_folder_is_read_or_refused_in_a_sentence(runs):
    ran, active = [], True
    seen = {"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn"}
    sys.addaudithook(lambda event, given: ran.append((event, given)) if active and event in seen else None)
    rng = random.Random(int(os.environ.get("NAS_HOSTILE_SEED", "0")))
    faults, tally = [], Counter()
    here, root = runs, runs.folder
    for _ in range(COUNT):
        kind = rng.choice(list(COMMANDS))
        folder = root / "damaged"
        for left in (folder, root / "inherited"):
            shutil.rmtree(left, ignore_errors=True)
        shutil.copytree(root / kind, folder)
        done = f"{kind}/{damage(rng, folder, [root / other for other in COMMANDS if other != kind])}"
        arguments = commands_on(rng, kind, "damaged")
        said, fault = outcome(here, arguments)
        tally["refused" if said else "works" if fault is None else "fault"] += 1
        if fault is not None:
            faults.append(f"{arguments[0]} {'inherit' if 'inherited' in arguments[-1] else ''} {done}: {fault}")
        if (root / "executed").exists() or ran:
            faults.append(f"{arguments[0]} {done}: EXECUTED {ran}")
            shutil.rmtree(root / "executed", ignore_errors=True)
            ran.clear()
    active = False
    print(tally)
    assert not faults, f"{len(faults)} of {COUNT}: {tally}\n" + "\n".join(faults)
    assert tally["works"]
    assert tally["refused"]
