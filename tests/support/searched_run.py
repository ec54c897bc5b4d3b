"""A run folder as a search leaves it behind: 20 epochs, probabilities that move from uniform to a choice."""

import json
import math
import random
from pathlib import Path

from lightning_nas.ops import PARAMETER_FREE
from lightning_nas.spaces import Darts

EPOCHS = 20
S3, D3, SKIP, MAX = "sep_conv_3x3", "dil_conv_3x3", "skip_connect", "max_pool_3x3"
NORMAL = [((S3, 0), (S3, 1)), ((S3, 0), (S3, 1)), ((S3, 1), (SKIP, 0)), ((SKIP, 0), (D3, 2))]
REDUCE = [((MAX, 0), (MAX, 1)), ((SKIP, 2), (MAX, 1)), ((MAX, 0), (SKIP, 2)), ((SKIP, 2), (MAX, 1))]


def darts_v2():
    space = Darts()
    return space.architecture(space.from_genes({"normal": NORMAL, "reduce": REDUCE}), {"strategy": "darts"})


def softmax(row):
    powers = [math.exp(value) for value in row]
    return [power / sum(powers) for power in powers]


def write_history(path, rng, strength=2.2):
    """Logits that drift with the epochs, decoded by the space's own rule."""
    import torch

    space = Darts()
    aims = {group: [[rng.gauss(0, 1) for _ in space.ops] for _ in range(14)] for group in ("normal", "reduce")}
    lines = []
    for epoch in range(EPOCHS):
        grown = strength * (epoch / (EPOCHS - 1)) ** 1.5
        logits = {group: torch.tensor(rows) * grown for group, rows in aims.items()}
        choices = space.decode(logits)
        genes = {group: [op for pair in space.genes(choices, group) for op, _ in pair] for group in aims}
        probabilities = {group: [softmax(row) for row in rows.tolist()] for group, rows in logits.items()}
        entropy = {
            group: sum(-p * math.log(p) for row in rows for p in row) / len(rows)
            for group, rows in probabilities.items()
        }
        share = {group: sum(op in PARAMETER_FREE for op in ops) / 8 for group, ops in genes.items()}
        lines.append(
            json.dumps({"epoch": epoch, "probabilities": probabilities, "entropy": entropy, "skip_share": share})
        )
    path.write_text("\n".join(lines) + "\n")


def write_metrics(path, rng, epochs=EPOCHS):
    """As Lightning's CSVLogger writes it: one row per logging call, most cells empty."""
    lines = ["epoch,lr-SGD,step,test/accuracy,train/loss,val/accuracy,val/loss"]
    for epoch in range(epochs):
        loss = 2.3 * math.exp(-epoch / 6) + 0.05
        lines.append(f"{epoch},0.025,{epoch * 10 + 4},,{loss + rng.random() * 0.1:.4f},,")
        lines.append(f"{epoch},0.025,{epoch * 10 + 9},,{loss + rng.random() * 0.1:.4f},,")
        lines.append(f"{epoch},,{epoch * 10 + 9},,,{0.98 - 0.88 * math.exp(-epoch / 4):.4f},{loss * 1.2:.4f}")
    lines.append(f"{epochs},,{epochs * 10},0.9711,,,")
    path.write_text("\n".join(lines) + "\n")


def costs(parameters, macs, latency=None):
    """Of a backbone, and of a network whose head has 1,290 parameters and 1,280 multiply-adds."""
    timed = None
    if latency is not None:
        timed = {"median_ms": latency, "p10_ms": latency - 0.31, "p90_ms": latency + 2.56, "device": "cpu"}
        timed |= {"runs": 100, "batch_size": 1, "threads": 2}
    return {
        "backbone": {"parameters": parameters, "macs": macs, "latency": timed},
        "network": {
            "parameters": parameters + 1_290,
            "macs": macs + 1_280,
            "latency": timed and {**timed, "median_ms": latency + 1},
        },
    }


def make_summary(**changes):
    found = {"accuracy": 0.9711, "accuracy_top5": 0.9991, "f1": 0.9702, "loss": 0.1043}
    cost = costs(151_322, 9_423_104, 14.21)
    comparison = [{"name": "found", "kind": "found", "metrics": found, **cost, "seconds": 41.0}]
    for index, accuracy in enumerate((0.9622, 0.9688, 0.9655)):
        comparison.append(
            {
                "name": f"random {index}",
                "kind": "random",
                "metrics": {**found, "accuracy": accuracy},
                **costs(130_000 + 9_000 * index, 8_000_000 + 500_000 * index),
                "seconds": 40.0,
            }
        )
    comparison.append(
        {
            "name": "hand-made: residual",
            "kind": "baseline",
            "metrics": {**found, "accuracy": 0.9733},
            **costs(150_100, 12_345_678),
            "seconds": 22.0,
        }
    )
    return {
        "task": "classification",
        "data": "digits",
        "generated": False,
        "space": "darts",
        "strategy": "darts",
        "seed": 0,
        "device": "x86_64",
        "versions": {"python": "3.12.3", "torch": "2.15.0", "pytorch-lightning": "2.6.0"},
        "seconds": {"search": 151.2, "evaluate": 245.0},
        "metrics": found,
        "cost": {"input_size": [1, 8, 8], **cost},
        "comparison": comparison,
        "architecture": darts_v2().hash,
        **changes,
    }


def make_older_summary():
    """As it was written when the backbone alone was counted."""
    summary = make_summary()
    alone = summary["cost"]["backbone"]
    latency = {"median": 14.21, "p10": 13.9, "p90": 16.77}
    summary["cost"] = {"parameters": alone["parameters"], "macs": alone["macs"], "latency_ms": latency}
    for entry in summary["comparison"]:
        entry |= {name: entry["backbone"][name] for name in ("parameters", "macs")}
        del entry["backbone"], entry["network"]
    return summary


def make_run(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(3)
    darts_v2().save(folder / "architecture.json")
    (folder / "summary.json").write_text(json.dumps(make_summary()))
    write_history(folder / "history.jsonl", rng)
    write_metrics(folder / "metrics.csv", rng)
    (folder / "evaluation" / "found").mkdir(parents=True, exist_ok=True)
    write_metrics(folder / "evaluation" / "found" / "metrics.csv", rng, epochs=12)
    return folder
