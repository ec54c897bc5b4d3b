"""Small networks of the NASNet space."""

import torch

OPS = ("skip_connect", "max_pool_3x3", "sep_conv_3x3", "nor_conv_3x3")
SMALL = {"channels": 4, "cells": 4, "blocks": 3, "ops": OPS}


def images(batch=2, size=16):
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
