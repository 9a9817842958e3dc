"""Find the packages, which setup.cfg cannot do: it either searches one folder or lists every name."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["simplenn_py*"]), "simplenn_py.data"])
