"""Speed compared with other frameworks: ``python -m benchmarks step`` and ``predict``.

All competitors run the same network with the same weights and images. They take turns, each in its
own process.
"""
