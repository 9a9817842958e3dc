"""Solvers.  They know an objective and a vector, and nothing of layers."""
