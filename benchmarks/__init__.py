"""Speed against other frameworks: ``python -m benchmarks step`` and ``predict``.

Everybody runs the same network on the same weights and images, one after the other in turns,
each in a process of its own.
"""
