"""A trained network: weights with labels and normalisation; predict, score, save, load."""

from .model import Model

__all__ = ["Model"]
