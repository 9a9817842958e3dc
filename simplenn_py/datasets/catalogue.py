"""The data sets with a name: sizes, files, checksums and download addresses."""

from __future__ import annotations

from dataclasses import dataclass

from . import cifar, idx
from .digits import FILE as DIGITS_FILE


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set as its authors publish it.

    Parameters
    ----------
    name : str
        File name.
    size : int
        Size in bytes.
    sha256 : str
        SHA-256 checksum of the file, in hexadecimal.
    content_sha256 : str
        SHA-256 checksum of the decompressed file; empty if none is published.
    """

    name: str
    size: int
    sha256: str
    content_sha256: str = ""


@dataclass(frozen=True)
class Info:
    """A data set with a name.

    Parameters
    ----------
    name : str
        Name on the command line and in :func:`simplenn_py.datasets.load_dataset`.
    about : str
        Short description.
    train, test : int
        Number of images in the training set and in the test set.
    shape : (a, b, d)
        Height, width and channels of an image.
    classes : int
        Number of classes.
    files : tuple of RemoteFile
        Files that make up the data set.
    mirrors : tuple of str
        Addresses that hold all of `files`, each ending in "/", tried in this order; empty
        for the bundled data set.
    """

    name: str
    about: str
    train: int
    test: int
    shape: tuple[int, int, int]
    classes: int
    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]


# TensorFlow Datasets, torchvision's mirrors and others agree on these checksums.
CATALOGUE = {
    "digits": Info(
        "digits",
        "digits, bundled",
        1442,
        355,
        (8, 8, 1),
        10,
        (
            RemoteFile(
                DIGITS_FILE,
                53_392,
                "e31b7ccbf8cc2b158de948b1bb7a67bf39a856fb064b3aa8ef489f12a2dc4b63",
            ),
        ),
        (),
    ),
    "mnist": Info(
        "mnist",
        "digits",
        60_000,
        10_000,
        (idx.A, idx.B, 1),
        10,
        (
            RemoteFile(
                "train-images-idx3-ubyte.gz",
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte.gz",
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
            RemoteFile(
                "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte.gz",
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
    ),
    "cifar10": Info(
        "cifar10",
        "colour photographs",
        50_000,
        10_000,
        (cifar.A, cifar.B, cifar.D),
        10,
        (
            RemoteFile(
                cifar.ARCHIVE,
                170_052_171,
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
        ),
        (
            "https://www.cs.toronto.edu/~kriz/",
            "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
            "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
        ),
    ),
}


def catalogue() -> tuple[Info, ...]:
    """Return the entries of all data sets that have a name.

    Returns
    -------
    tuple of Info
    """
    return tuple(CATALOGUE.values())
