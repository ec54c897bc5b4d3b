"""Commands keep the memory that tensors give back."""

import os
import platform
import subprocess
import sys

import pytest

from lightning_nas.commands.freed_memory import SET_BY_USER

FAULTS = """
import importlib.util, resource, sys
spec = importlib.util.spec_from_file_location("freed_memory", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.keep_freed_memory())
def step():
    blocks = [bytearray(20 * 2**20) for _ in range(4)]
for number in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for number in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 5 * 4 * 20 * 2**20 // os.sysconf("SC_PAGE_SIZE")

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")


def set_and_faults(**environment):
    """Whether it was set, and pages that five steps fetched from the system."""
    from lightning_nas.commands import freed_memory

    plain = {name: value for name, value in os.environ.items() if name not in SET_BY_USER}
    ended = subprocess.run(
        [sys.executable, "-S", "-c", FAULTS, freed_memory.__file__],
        env={**plain, **environment}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    done, faults = ended.stdout.split()
    return done == "True", int(faults)


def test_the_memory_of_a_step_serves_the_next():
    done, faults = set_and_faults()
    assert done
    assert faults < PAGES / 50


def test_what_the_user_has_set_stays():
    done, faults = set_and_faults(MALLOC_TRIM_THRESHOLD_="131072", MALLOC_MMAP_THRESHOLD_="131072")
    assert not done
    assert faults > PAGES / 2
