"""Find the packages: setup.cfg either searches one folder or lists every name, and we need both."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["simplenn_py*"]), "simplenn_py.data"])
