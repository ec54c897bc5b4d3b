"""FCOS's head: distances that cannot die, weights that are exchanged with torchvision, groups that suit the width."""

import pytest
import torch
from torch import nn
from torchvision.models.detection.fcos import FCOSHead

from lightning_nas.tasks.detection.fcos import FcosHead

WIDTH, CLASSES = 32, 3


def heads(width=WIDTH):
    torch.manual_seed(0)
    return FcosHead(width, CLASSES, 2), FCOSHead(width, 1, CLASSES, 2)


def maps(width=WIDTH, batch=2):
    torch.manual_seed(1)
    return [torch.randn(batch, width, size, size) for size in (4, 2, 1)]


def fit_distances(head, steps):
    """Trains a head to predict distances of 2 strides everywhere; returns the mean error."""
    features = maps()
    optimizer = torch.optim.AdamW(head.parameters(), 1e-2)
    for _ in range(steps):
        error = (head(features)["bbox_regression"] - 2).abs().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    return error.item()


def test_a_head_that_was_pushed_negative_recovers():
    ours, theirs = heads()
    for head in (ours, theirs):
        nn.init.constant_(head.regression_head.bbox_reg.bias, -3.0)
    assert fit_distances(ours, 150) < 0.5
    assert fit_distances(theirs, 15) == 2.0  # what is mended: ReLU gives zeros for ever


def test_distances_are_softplus_of_torchvisions_convolution():
    ours, _ = heads()
    head, features = ours.regression_head.eval(), maps()
    distances, centerness = head(features)
    expected = [torch.log1p(head.bbox_reg(head.conv(x)).exp()) for x in features]
    # one position after the other, row by row; the four sides last
    expected = torch.cat([x.permute(0, 2, 3, 1).reshape(2, -1, 4) for x in expected], dim=1)
    torch.testing.assert_close(distances, expected)
    assert distances.shape == (2, 16 + 4 + 1, 4)
    assert centerness.shape == (2, 16 + 4 + 1, 1)


def test_weights_go_to_torchvision_and_back():
    """At the published width the groups are those of torchvision, so all but the distances are equal."""
    ours, theirs = heads(256)
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    features = maps(256)
    mine, other = ours(features), theirs(features)
    assert torch.equal(mine["cls_logits"], other["cls_logits"])
    assert torch.equal(mine["bbox_ctrness"], other["bbox_ctrness"])
    assert (mine["bbox_regression"] - other["bbox_regression"]).abs().max() <= 0.6932  # log 2


@pytest.mark.parametrize(("width", "groups"), [(256, 32), (128, 32), (32, 8), (20, 5), (6, 1), (3, 1)])
def test_groups_hold_four_channels_at_least(width, groups):
    norms = [module for module in FcosHead(width, CLASSES, 1).modules() if isinstance(module, nn.GroupNorm)]
    assert {norm.num_groups for norm in norms} == {groups}


def test_a_map_of_one_pixel_in_a_batch_of_one_tells_images_apart():
    """With a group per channel the value would be normalised by itself, to zero for every image."""
    ours, theirs = heads()
    one, other = torch.randn(2, 1, WIDTH, 1, 1)
    assert not torch.allclose(ours.classification_head.conv(one), ours.classification_head.conv(other))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        theirs.classification_head.conv(one)
