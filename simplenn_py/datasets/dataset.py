"""The types that every reader of a data set returns."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..labels import as_labels, in_kind_of
from ..layout import Array
from ..pixels import own_storage


@dataclass(frozen=True)
class Images:
    """Labelled images with the values of the file, not scaled.

    Parameters
    ----------
    Z : array_like, shape (d, a*b*l), or (l, a, b, d)
        Pixels of any real dtype; kept in storage (1) of the lecture, ``(d, a*b*l)`` in Fortran
        order, as uint8, float32 or float64.  An array with two dimensions is that storage.
    y : array_like, shape (l,)
        Labels as in the file, not class indices; kept as an ndarray of int64 or of fixed-width
        strings, see :func:`simplenn_py.labels.as_labels`.
    a, b : int
        Height and width of an image.

    Raises
    ------
    DataError
        If `Z` cannot be the pixels of such images, or a label is neither a whole number nor a
        text.
    """

    Z: Array
    y: Array
    a: int
    b: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "Z", own_storage(self.Z, self.a, self.b))
        object.__setattr__(self, "y", as_labels(self.y))

    @property
    def d(self) -> int:
        """Number of channels."""
        return int(self.Z.shape[0])

    @property
    def l(self) -> int:
        """Number of images."""
        return int(self.y.shape[0])


@dataclass(frozen=True)
class Origin:
    """Where a data set came from: the arguments of ``load_dataset`` that read it.

    Parameters
    ----------
    name : str
        ``digits``, ``mnist`` or ``cifar10`` if `in_catalogue`, else an absolute path.
    in_catalogue : bool
        Whether `name` is one of those three.  A file of that name is another data set.
    data_dir, test : str or None
        Absolute paths.
    shape : (a, b, d) or None
    input_format : str
    """

    name: str
    in_catalogue: bool
    data_dir: str | None = None
    test: str | None = None
    shape: tuple[int, int, int] | None = None
    input_format: str = "row"


@dataclass(frozen=True)
class Dataset:
    """A training set and, if there are any, a validation set and a test set.

    Parameters
    ----------
    name : str
        Name of the data set: the file or folder name if it was read from a path.
    train : Images
        Training set.
    test : Images or None
        Test set; None if the data set has none.
    source : str
        Files or folders that the images were read from, for display.
    origin : Origin or None
        Where they can be read again; None if you made the data set yourself.
    validation : Images or None
        Validation set, which chooses the best epoch; None: TrainOptions says how many of the
        training images are held out for this.
    notes : tuple of str
        What was found but is not used, for display.

    Notes
    -----
    If the training labels are texts and the test or validation labels numbers, or the reverse,
    the latter are converted where that is possible, so that both can be compared.
    """

    name: str
    train: Images
    test: Images | None
    source: str
    origin: Origin | None = None
    validation: Images | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in ("test", "validation"):
            images = getattr(self, part)
            if images is not None:
                y = in_kind_of(images.y, self.train.y)
                if y is not images.y:
                    object.__setattr__(self, part, replace(images, y=y))

    @property
    def catalogue_name(self) -> str:
        """``digits``, ``mnist`` or ``cifar10`` if it is that data set, whatever its name; or ""."""
        origin = self.origin
        return origin.name if origin is not None and origin.in_catalogue else ""
