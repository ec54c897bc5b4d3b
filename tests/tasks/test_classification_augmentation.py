"""Recipes of augmentation: shapes, ranges, exactness of cutout, where randomness comes from."""

import itertools
import random
from collections import Counter

import albumentations as A
import numpy as np
import pytest
import torch

from lightning_nas.tasks.classification.augmentation import (
    Cutout,
    Pipeline,
    cifar_steps,
    evaluation,
    light_steps,
    training,
)

RECIPES = ("none", "light", "cifar", "imagenet")


def noise(height=32, width=32):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("shape", [(32, 32), (20, 50), (70, 33)])
def test_every_recipe_gives_a_square_normalised_tensor(recipe, shape):
    low, high = (0 - 0.485) / 0.229, (1 - 0.406) / 0.225
    for pipeline in (training(recipe, 32, cutout=8), evaluation(recipe, 32)):
        tensor = pipeline(noise(*shape))
        assert tensor.shape == (3, 32, 32)
        assert tensor.dtype == torch.float32
        assert tensor.min() >= low - 1e-5
        assert tensor.max() <= high + 1e-5


def test_evaluation_leaves_an_image_of_the_right_size_alone_but_for_the_normalisation():
    image = noise()
    mean, std = torch.tensor([0.4, 0.5, 0.6])[:, None, None], torch.tensor([0.1, 0.2, 0.3])[:, None, None]
    expected = (torch.from_numpy(image.transpose(2, 0, 1) / 255).float() - mean) / std
    for recipe in ("none", "light", "cifar"):
        torch.testing.assert_close(evaluation(recipe, 32, (0.4, 0.5, 0.6), (0.1, 0.2, 0.3))(image), expected)


def test_evaluation_of_imagenet_resizes_to_256_and_crops_224():
    image = np.zeros((256, 300, 3), np.uint8)
    image[16:240, 38:262] = 255  # the central 224x224
    tensor = evaluation("imagenet", 224, (0, 0, 0), (1, 1, 1))(image)
    assert tensor.shape == (3, 224, 224)
    assert (tensor == 1).all()
    assert (evaluation("imagenet", 224, (0, 0, 0), (1, 1, 1))(image[:, :256])[:, :, 0] != 1).any()


def test_cifar_crops_are_windows_of_the_padded_image_and_reach_all_places():
    image = noise()
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)))
    windows = {}
    for top, left, flip in itertools.product(range(9), range(9), (False, True)):
        window = padded[top : top + 32, left : left + 32]
        windows[(window[:, ::-1] if flip else window).tobytes()] = (top, left, flip)
    pipeline = training("cifar", 32, (0, 0, 0), (1, 1, 1))
    torch.manual_seed(0)
    seen = set()
    for _ in range(1500):
        array = (pipeline(image) * 255).round().byte().numpy().transpose(1, 2, 0)
        seen.add(windows[np.ascontiguousarray(array).tobytes()])
    assert len(seen) == 162


def test_steps_of_one_image_are_independent():
    """With A.Compose.set_random_seed all steps begin with the same number: crops from above are never flipped."""
    image = np.arange(64, dtype=np.uint8).reshape(8, 8, 1).repeat(3, axis=2) + 100

    def flips_among_crops_from_above(draw):
        flips = []
        for seed in range(600):
            row = draw(seed)[4, :, 0].astype(int)
            row = row[row > 0]
            if row.min() < 100 + 4 * 8:  # shows a row that lies further up
                flips.append(row[1] < row[0])
        return np.mean(flips)

    compose = A.Compose(cifar_steps(8))

    def same_seed(seed):
        compose.set_random_seed(seed)
        return compose(image=image)["image"]

    pipeline = Pipeline(cifar_steps(8))
    torch.manual_seed(0)
    assert 0.4 < flips_among_crops_from_above(lambda seed: np.asarray(pipeline(image))) < 0.6
    assert flips_among_crops_from_above(same_seed) in (0, 1)


@pytest.mark.parametrize("recipe", ["light", "cifar", "imagenet"])
def test_torch_seed_decides_everything(recipe):
    pipeline, image = training(recipe, 32, cutout=8), noise()

    def draw(seed):
        torch.manual_seed(seed)
        random.seed(seed + 1000 * draw.calls)  # these two must not matter
        np.random.seed(draw.calls)  # noqa: NPY002
        draw.calls += 1
        return torch.stack([pipeline(image) for _ in range(4)])

    draw.calls = 0
    first, again, other = draw(0), draw(0), draw(1)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_cutout_is_that_of_darts_for_every_centre():
    cutout = Cutout(16)
    image = np.ones((32, 32, 3), np.float32)
    areas = []
    for y, x in itertools.product(range(32), range(32)):
        draws = iter((y, x))
        cutout.py_random = type("Fixed", (), {"randrange": lambda self, stop, draws=draws: next(draws)})()
        mask = np.ones((32, 32, 3), np.float32)
        mask[np.clip(y - 8, 0, 32) : np.clip(y + 8, 0, 32), np.clip(x - 8, 0, 32) : np.clip(x + 8, 0, 32)] = 0
        result = cutout(image=image)["image"]
        assert np.array_equal(result, mask)
        areas.append(int((result[..., 0] == 0).sum()))
    assert image.all(), "the image itself must stay as it is"
    assert (min(areas), max(areas)) == (64, 256)


def test_cutout_shows_the_mean_colour_and_centres_are_uniform():
    pipeline = training("none", 16, cutout=2)
    white = np.full((16, 16, 3), 255, np.uint8)
    torch.manual_seed(0)
    hit = torch.zeros(16, 16)
    for _ in range(4000):
        erased = pipeline(white) == 0
        assert erased.any(dim=0).equal(erased.all(dim=0))
        hit += erased[0]
    inner = hit[1:-1, 1:-1] / 4000
    assert (inner - 4 / 256).abs().max() < 0.01
    assert hit[0, 0] > 0


def test_cutout_of_zero_is_off():
    image = noise()
    assert torch.equal(training("none", 32, cutout=0)(image), evaluation("none", 32)(image))
    assert not torch.equal(training("none", 32, cutout=4)(image), evaluation("none", 32)(image))


def test_light_moves_by_no_more_than_it_says():
    dot = np.full((9, 9, 1), -1.0, np.float32)
    dot[4, 4] = 1
    pipeline = Pipeline([*light_steps(9, fill=-1.0), A.pytorch.ToTensorV2()])
    torch.manual_seed(0)
    places = Counter()
    for _ in range(450):
        moved = pipeline(dot)[0]
        assert moved.min() >= -1
        places[divmod(int(moved.argmax()), 9)] += 1
    assert set(places) == set(itertools.product((3, 4, 5), (3, 4, 5)))
    assert min(places.values()) > 25, "all nine places are equally likely"


def test_light_scales_both_sides_alike():
    square = np.zeros((100, 100, 1), np.float32)
    square[35:65, 35:65] = 1
    pipeline = Pipeline([*light_steps(100), A.pytorch.ToTensorV2()])
    torch.manual_seed(0)
    sides = []
    for _ in range(50):
        weights = pipeline(square)[0].numpy()
        places = np.stack(np.mgrid[:100, :100].astype(float)).reshape(2, -1)
        small, large = np.sqrt(12 * np.linalg.eigvalsh(np.cov(places, aweights=weights.ravel())))
        assert large / small < 1.02
        sides.append(small)
    assert min(sides) < 28
    assert max(sides) > 32


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("flip", 32), "augmentation.*'flip'"),
        (("cifar", 0), "image_size.*0"),
        (("cifar", 32, (0, 0, 0), (1, 1, 1), 33), "cutout.*33"),
    ],
)
def test_impossible_recipes_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        training(*arguments)
