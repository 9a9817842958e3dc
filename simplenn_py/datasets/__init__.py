"""Labelled images: the bundled digits, MNIST, CIFAR-10, .mat, .npz, folders of pictures."""

from .dataset import Dataset, Images
from .loading import load_dataset

__all__ = ["Dataset", "Images", "load_dataset"]
