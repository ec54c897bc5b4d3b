"""What a search of each family of strategies consists of."""

from lightning_nas.search.workloads.networks import Representatives
from lightning_nas.search.workloads.of_strategy import workload
from lightning_nas.search.workloads.work import Work

__all__ = ["Representatives", "Work", "workload"]
