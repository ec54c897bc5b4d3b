"""Packages of the wheel: `lightning_nas/`, and the top-level `tasks/` and `conf/` installed inside it."""

from setuptools import find_namespace_packages, setup

MOVED = ("tasks", "conf")  # top-level folders that are installed as lightning_nas.tasks and lightning_nas.conf

setup(
    packages=find_namespace_packages(include=["lightning_nas", "lightning_nas.*"])
    + [f"lightning_nas.{name}" for top in MOVED for name in find_namespace_packages(include=[top, f"{top}.*"])],
    package_dir={f"lightning_nas.{top}": top for top in MOVED},
)
