"""Find the packages.  setup.cfg can search for packages or list them, but not do both."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["simplenn_py*"]), "simplenn_py.data"])
