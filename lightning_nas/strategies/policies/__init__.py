"""Policies: distributions over architectures, which REINFORCE, PPO and the controller of ENAS learn."""

from lightning_nas.strategies.policies.base import Encoded, Policy
from lightning_nas.strategies.policies.build import PolicyName, build_policy, check_policy
from lightning_nas.strategies.policies.enas import EnasMacroPolicy, EnasMicroPolicy
from lightning_nas.strategies.policies.independent import IndependentPolicy
from lightning_nas.strategies.policies.loss import reinforce_loss
from lightning_nas.strategies.policies.lstm import LstmPolicy

__all__ = [
    "EnasMacroPolicy",
    "EnasMicroPolicy",
    "Encoded",
    "IndependentPolicy",
    "LstmPolicy",
    "Policy",
    "PolicyName",
    "build_policy",
    "check_policy",
    "reinforce_loss",
]
