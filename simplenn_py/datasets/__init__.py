"""Labelled images: bundled digits, MNIST, CIFAR-10, .mat, .npz, folders of picture files."""

from .dataset import Dataset, Images
from .fetch import where
from .images import read_images
from .loading import load_dataset

__all__ = ["Dataset", "Images", "load_dataset", "read_images", "where"]
