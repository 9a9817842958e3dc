"""Finding the data sets that have a name, and downloading those that are missing.

The search looks in the folder that the user names, in ``$SIMPLENN_DATA_DIR``, in the platform's
cache folder and in the folder ``data`` of the working folder, in this order.  A local file that can
be read is used whatever its checksum.  A downloaded file is kept only if it has the published
checksum.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import DataError, closest
from ..runtime.paths import user_path
from . import cifar, digits, idx
from .catalogue import CATALOGUE, Info, RemoteFile
from .dataset import Dataset
from .download import download

ENVIRONMENT = "SIMPLENN_DATA_DIR"

PathLike = str | os.PathLike[str]


def info(name: str) -> Info:
    """Return the catalogue's entry for a data set.

    Parameters
    ----------
    name : str
        ``digits``, ``mnist`` or ``cifar10``.

    Returns
    -------
    Info

    Raises
    ------
    DataError
        If there is no data set of this name.
    """
    if name not in CATALOGUE:
        known = list(CATALOGUE)
        raise DataError(
            f"data set '{name}' is unknown; use one of {', '.join(known)}{closest(name, known)}"
        )
    return CATALOGUE[name]


def folders(data_dir: PathLike | None = None) -> list[Path]:
    """Return the folders that are searched, in order.

    Parameters
    ----------
    data_dir : path, optional
        Folder to search first.

    Returns
    -------
    list of Path
        `data_dir` if given, ``$SIMPLENN_DATA_DIR`` if set, the platform's cache folder, and
        ``data`` in the working folder if there is one.  A download goes to the first.
    """
    import platformdirs

    places = [] if data_dir is None else [user_path(data_dir)]
    if os.environ.get(ENVIRONMENT):
        places.append(user_path(os.environ[ENVIRONMENT]))
    cache = Path(platformdirs.user_cache_dir("simplenn_py", appauthor=False))
    here = Path("data").absolute()
    return [*places, cache / "data", *([here] if here.is_dir() else [])]


def where(name: str, data_dir: PathLike | None = None) -> Path | None:
    """Return the place that holds a complete data set, judged by the names of its files.

    Parameters
    ----------
    name : str
        ``digits``, ``mnist`` or ``cifar10``.
    data_dir : path, optional
        Folder to search first.

    Returns
    -------
    Path or None
        Folder, archive or bundled file; None if no searched folder holds the data set.

    Raises
    ------
    DataError
        If there is no data set of this name.
    """
    if not info(name).mirrors:
        return digits.location()
    return next((path for path in (_find(name, f) for f in folders(data_dir)) if path), None)


def require(name: str, data_dir: PathLike | None = None) -> Path:
    """Return the place that holds a complete data set, as :func:`where`.

    Parameters
    ----------
    name : str
        ``digits``, ``mnist`` or ``cifar10``.
    data_dir : path, optional
        Folder to search first.

    Returns
    -------
    Path
        Folder, archive or bundled file.

    Raises
    ------
    DataError
        If there is no data set of this name, or no searched folder holds it.
    """
    place = where(name, data_dir)
    if place is None:
        searched = ", ".join(map(str, folders(data_dir)))
        raise DataError(
            f"{name}: is in none of {searched}; download it with 'simplenn data fetch {name}'"
        )
    return place


def load(name: str, data_dir: PathLike | None = None, progress: bool = True) -> Dataset:
    """Read ``mnist`` or ``cifar10``; download it if no searched folder holds it.

    Parameters
    ----------
    name : str
        ``mnist`` or ``cifar10``.
    data_dir : path, optional
        Folder to search first; a download goes there.
    progress : bool
        Whether to report the progress of a download.

    Returns
    -------
    Dataset
        See :func:`simplenn_py.datasets.idx.load` and
        :func:`simplenn_py.datasets.cifar.load`.

    Raises
    ------
    DataError
        If the data set is damaged, or is missing and cannot be downloaded.
    """
    info(name)
    places = folders(data_dir)
    place = next((folder for folder in places if _find(name, folder)), None)
    if place is None:
        place = places[0]
        _complete(name, place, places, progress)
    return _read(name, place)


def fetch(name: str, data_dir: PathLike | None = None, progress: bool = True) -> Path:
    """Make sure that a data set is complete and readable; download it if necessary.

    Readable files stay.  A damaged file is replaced as soon as its successor has been
    verified.

    Parameters
    ----------
    name : str
        ``digits``, ``mnist`` or ``cifar10``.
    data_dir : path, optional
        Folder to hold the data set.  Without it the data set may be in any of the
        searched folders, and a download goes into the first of them.
    progress : bool
        Whether to report the progress of a download.

    Returns
    -------
    Path
        Folder, archive or bundled file that holds the data set.

    Raises
    ------
    DataError
        If a file cannot be downloaded or written.
    """
    if not info(name).mirrors:
        return digits.location()
    places = folders(data_dir)
    searched = places if data_dir is None else places[:1]
    place = next((folder for folder in searched if _find(name, folder)), places[0])
    _complete(name, place, searched, progress)
    found = _find(name, place)
    assert found is not None, "everything missing has just been downloaded"
    return found


def _find(name: str, folder: Path) -> Path | None:
    if name == "cifar10":
        return cifar.locate(folder)
    files = idx.locate(folder)
    paths = [path for path in files.values() if path is not None]
    return paths[0].parent if len(paths) == len(files) else idx.locate_keras(folder)


def _read(name: str, folder: Path) -> Dataset:
    if name == "cifar10":
        source = cifar.locate(folder)
        assert source is not None
        return cifar.load(source)
    files = {stem: path for stem, path in idx.locate(folder).items() if path is not None}
    keras = idx.locate_keras(folder)
    if len(files) < len(idx.STEMS) and keras is not None:
        return idx.load_keras(keras)
    return idx.load(files)


def _complete(name: str, folder: Path, searched: list[Path], progress: bool) -> None:
    """Download into `folder` the files that are missing or damaged there."""
    entry = CATALOGUE[name]
    target = folder if folder.name == name else folder / name
    lacking = [file for file in entry.files if not _reads_well(name, file, folder)]
    if not lacking:
        return
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{target}: cannot be created ({error.strerror or error}); choose another --data-dir"
        ) from None
    for file in lacking:
        failures = download(file, entry.mirrors, target / file.name, progress)
        if failures:
            names = ", ".join(f.name for f in lacking)
            raise DataError(
                f"{name}: {file.name} could not be downloaded ({'; '.join(failures)}); put {names} "
                f"into {target} and try again; looked in {', '.join(map(str, searched))}"
            )
    if name == "cifar10":
        # Next to the archive: found before any damaged batch elsewhere in `folder`.
        archive = target / entry.files[0].name
        cifar.unpack(cifar.read_archive(archive), target / cifar.FOLDER)


def _reads_well(name: str, file: RemoteFile, folder: Path) -> bool:
    try:
        if name == "cifar10":
            source = cifar.locate(folder)
            if source is not None:
                cifar.load(source)
            return source is not None
        if _find(name, folder) == idx.locate_keras(folder) is not None:
            _read(name, folder)
            return True
        path = idx.locate(folder)[file.name.removesuffix(".gz")]
        if path is not None:
            idx.read_idx(path)
        return path is not None
    except DataError:
        return False
