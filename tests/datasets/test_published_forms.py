"""CIFAR-10 in Python's version, mnist.npz of Keras, folders of torchvision: read, and safely."""

from __future__ import annotations

import os
import pickle
import random
import tarfile

import numpy as np
import pytest
from makers import batches, python_batches, tar, write_folder, write_mnist
from outcome import outcome

from simplenn_py.cli import main
from simplenn_py.datasets import cifar, fetch, idx, load_dataset, plain_pickle
from simplenn_py.datasets.cifar_python import binary_batch
from simplenn_py.datasets.plain_pickle import NotPlainError, read_plain
from simplenn_py.errors import DataError
from simplenn_py.io.damage import LIBRARY_ERRORS


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Keep the user's own data out of every test, and every download."""
    import platformdirs

    monkeypatch.delenv("SIMPLENN_DATA_DIR", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "download", lambda *_: ["nothing is downloaded here"])
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def same(first, second) -> bool:
    pairs = ((first.train, second.train), (first.test, second.test))
    return all(np.array_equal(a.Z, b.Z) and np.array_equal(a.y, b.y) for a, b in pairs)


MEMBERS = batches()
PYTHON = python_batches(MEMBERS)


@pytest.fixture
def binary(tmp_path):
    write_folder(tmp_path / "binary", MEMBERS)
    return load_dataset("cifar10", data_dir=tmp_path / "binary")


class TestCifarPython:
    @pytest.mark.parametrize("place", ["", "cifar10", "cifar-10-batches-py"])
    def test_the_folder(self, binary, tmp_path, place):
        write_folder(tmp_path / "p" / place, PYTHON)
        data = load_dataset("cifar10", data_dir=tmp_path / "p")
        assert same(data, binary)
        assert data.source == str(tmp_path / "p" / place)

    def test_the_archive(self, binary, tmp_path):
        members = [(f"cifar-10-batches-py/{name}", content) for name, content in PYTHON.items()]
        tar(tmp_path / "p" / "cifar-10-python.tar.gz", [*members, ("readme.html", b"hello")])
        assert same(load_dataset("cifar10", data_dir=tmp_path / "p"), binary)
        assert cifar.locate(tmp_path / "p").name == cifar.FOLDER  # unpacked for the next time
        assert same(load_dataset("cifar10", data_dir=tmp_path / "p"), binary)

    @pytest.mark.parametrize("protocol", range(5))
    def test_what_python_3_wrote_again(self, binary, tmp_path, protocol):
        """As many courses did; Python 3 writes bytes and NumPy 2 writes other module names."""
        for name, content in MEMBERS.items():
            if name == cifar.META:
                continue
            rows = np.frombuffer(content, np.uint8).reshape(-1, 3073)
            for text in (str, str.encode):
                batch = {text("data"): rows[:, 1:].copy(), text("labels"): rows[:, 0].tolist()}
                again = pickle.dumps(batch, protocol)
                assert binary_batch(again) == content
            write_folder(tmp_path / "p", {cifar.PYTHON[name]: again})
        assert same(load_dataset("cifar10", data_dir=tmp_path / "p"), binary)

    def test_the_names_of_the_classes(self, tmp_path):
        names = {"label_names": [f"class{k}" for k in range(10)]}
        write_folder(tmp_path / "p", {**PYTHON, "batches.meta": pickle.dumps(names, 2)})
        y = load_dataset("cifar10", data_dir=tmp_path / "p").test.y
        assert y[0] == f"class{MEMBERS['test_batch.bin'][0]}"

    def test_the_binary_version_is_preferred(self, tmp_path):
        write_folder(tmp_path / cifar.FOLDER, MEMBERS)
        write_folder(tmp_path / cifar.PYTHON_FOLDER, PYTHON)
        assert cifar.locate(tmp_path) == tmp_path / cifar.FOLDER

    def test_nothing_is_downloaded_and_the_verdict_is_told(self, tmp_path, capsys):
        write_folder(tmp_path / cifar.PYTHON_FOLDER, PYTHON)
        assert main(["data", "fetch", "cifar10", "--data-dir", str(tmp_path)]) == 0
        assert main(["data", "where", "cifar10", "--data-dir", str(tmp_path)]) == 0
        assert capsys.readouterr().out.count(str(tmp_path / cifar.PYTHON_FOLDER)) == 2


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harmed",)


class HarmInState:
    def __setstate__(self, state):
        os.mkdir("harmed")


ROWS = np.zeros((2, 3072), np.uint8)


class TestNothingIsUnpickled:
    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (Harm(), "refers to .*mkdir"),
            ({"data": ROWS, "labels": [0, Harm()]}, "refers to .*mkdir"),
            (HarmInState(), "refers to|has the instruction"),
            (
                {"data": ROWS.astype(object), "labels": [0, 1]},
                "calls a function other than|refers to",
            ),
            ({"data": ROWS.astype("f4"), "labels": [0, 1]}, "calls a function other than"),
            ({"data": np.asfortranarray(ROWS), "labels": [0, 1]}, "not of unsigned bytes in C"),
            ({"data": ROWS.tolist(), "labels": [0, 1]}, "has no array 'data'"),
            ({"data": ROWS[:, 1:], "labels": [0, 1]}, "has no array 'data'"),
            ({"data": ROWS, "labels": [0]}, "has no list 'labels' of 2"),
            ({"data": ROWS, "labels": [0, -1]}, "has no list 'labels'"),
            ({"data": ROWS, "labels": [0, 10**30]}, "has no list 'labels'"),
            ({"data": ROWS, "labels": [0, 1.5]}, "has the instruction|has no list"),
            ({"data": ROWS, "fine_labels": [0, 1]}, "has no list 'labels'"),
            ({1: 2}, "keys are not texts"),
            ([ROWS], "is not a dictionary"),
            ({"data": ROWS, "labels": {0, 1}}, "has the instruction|refers to"),
            ({"data": ROWS, "labels": [0, 10]}, "record 1 has label 10"),
        ],
    )
    @pytest.mark.parametrize("protocol", [0, 2, 4])
    def test_anything_else_is_refused(self, tmp_path, value, message, protocol):
        content = {**PYTHON, "data_batch_2": pickle.dumps(value, protocol)}
        write_folder(tmp_path / "p", content)
        with pytest.raises(DataError, match=message) as caught:
            load_dataset("cifar10", data_dir=tmp_path / "p")
        assert str(caught.value).startswith(str(tmp_path / "p" / "data_batch_2"))
        assert "fetch it again" in str(caught.value)
        assert not os.path.exists("harmed")

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b".",
            b"N",
            b"(.",
            b"]e.",
            b"]" * 9 + b".",
            b"\x80\x02(tR.",
            b"cos\nsystem\n(S'echo'\ntR.",
            b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04echo\x85R.",
            b"cnumpy.core.multiarray\n_reconstruct\n(tR}b.",
            b"cnumpy.core.multiarray\n_reconstruct\n(tR(K\x01(J\xff\xff\xff\xfftcnumpy\ndtype\n"
            b"(U\x02u1tR\x89U\x00tb.",
            b"cnumpy\ndtype\n(U\x02O8tR.",
            b"ccopy_reg\n_reconstructor\n(tR.",
            b"\x80\x02]q\x00h\x00a.",
            b"h\x07.",
            b"I" + b"9" * 5000 + b"\n.",
            b"\x8e" + b"\xff" * 8 + b".",
        ],
    )
    def test_malformed_ones_give_a_value_or_an_error(self, content):
        try:
            read_plain(content)
        except (NotPlainError, *LIBRARY_ERRORS):
            pass
        _, message = outcome(cifar._translated, content, cifar.TEST, cifar.Path("p"))
        assert message.startswith("p: is not a batch of CIFAR-10's Python version (")
        assert len(message) < 500

    def test_there_is_an_end(self, monkeypatch):
        monkeypatch.setattr(plain_pickle, "_MAX_STEPS", 100)
        with pytest.raises(NotPlainError, match="has more than 100 instructions"):
            read_plain(b"N" * 101 + b".")

    @pytest.mark.parametrize("rounds", [400, pytest.param(20_000, marks=pytest.mark.slow)])
    def test_mutated_batches_give_a_batch_or_an_error(self, rounds):
        rng = random.Random(1)
        small = [PYTHON["test_batch"], PYTHON["batches.meta"], pickle.dumps(
            {"data": ROWS[:1], "labels": [3]}, 4)]  # fmt: skip
        read = 0
        for _ in range(rounds):
            content = bytearray(rng.choice(small))
            head = min(len(content), 700)
            for _ in range(rng.randint(1, 4)):
                end = rng.choice((head, len(content)))
                place = rng.randrange(end) if rng.random() < 0.8 else -rng.randrange(1, 60)
                content[place] = rng.randrange(256)
            name = rng.choice((cifar.TEST, cifar.META))
            result, message = outcome(cifar._translated, bytes(content), name, cifar.Path("p"))
            assert (result is None) == bool(message)
            read += result is not None
        assert 0 < read < rounds
        assert not os.path.exists("harmed")

    def test_an_archive_of_the_python_version_is_no_safer_place(self, tmp_path):
        wrong = {**PYTHON, "data_batch_1": pickle.dumps(Harm(), 2)}
        members = [(f"cifar-10-batches-py/{name}", content) for name, content in wrong.items()]
        tar(tmp_path / "p" / "cifar-10-python.tar.gz", members)
        with pytest.raises(DataError, match="refers to"):
            load_dataset("cifar10", data_dir=tmp_path / "p")
        entry = tarfile.TarInfo("cifar-10-batches-py/test_batch")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar(tmp_path / "q" / "cifar-10-python.tar.gz", [(entry, b"")])
        with pytest.raises(DataError, match="is not a regular file"):
            load_dataset("cifar10", data_dir=tmp_path / "q")


class TestMnist:
    @pytest.mark.parametrize("suffix", ["", ".gz"])
    @pytest.mark.parametrize("place", ["MNIST/raw", "raw", "MNIST", "mnist", ""])
    def test_torchvisions_folders(self, tmp_path, place, suffix):
        (X, y), _ = write_mnist(tmp_path / "d" / place, suffix=suffix)
        data = load_dataset("mnist", data_dir=tmp_path / "d")
        assert np.array_equal(data.train.Z[0, :784].reshape(28, 28), X[0].T)
        assert data.train.y.tolist() == y.tolist()
        assert data.source == str(tmp_path / "d" / place)

    def test_a_complete_folder_is_preferred(self, tmp_path):
        write_mnist(tmp_path / "MNIST" / "raw", l=5)
        write_mnist(tmp_path / "mnist")
        (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").unlink()
        assert load_dataset("mnist", data_dir=tmp_path).train.l == 5

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_the_file_of_keras(self, tmp_path, save, capsys):
        (X, y), (X_test, y_test) = write_mnist(tmp_path / "idx")
        arrays = {"x_train": X, "y_train": y, "x_test": X_test, "y_test": y_test}
        save(tmp_path / "mnist.npz", **{n: a.astype(np.uint8) for n, a in arrays.items()})
        data = load_dataset("mnist", data_dir=tmp_path)
        assert same(data, load_dataset("mnist", data_dir=tmp_path / "idx"))
        assert data.source == str(tmp_path / "mnist.npz")
        assert main(["data", "fetch", "mnist", "--data-dir", str(tmp_path)]) == 0
        assert str(tmp_path / "mnist.npz") in capsys.readouterr().out
        write_mnist(tmp_path / "mnist", l=4)
        assert load_dataset("mnist", data_dir=tmp_path).train.l == 4  # the original is preferred

    def test_another_file_of_that_name(self, tmp_path):
        np.savez(tmp_path / "mnist.npz", x_train=np.zeros((3, 28, 28)), y_train=np.zeros(3, "u1"))
        with pytest.raises(DataError, match=r"mnist.npz: has no array x_train of unsigned bytes"):
            load_dataset("mnist", data_dir=tmp_path)


class TestWhere:
    def test_the_working_folders_data_is_searched_last(self, tmp_path, capsys):
        write_mnist(tmp_path / "work" / "data" / "MNIST" / "raw", l=4)
        assert load_dataset("mnist").train.l == 4
        assert main(["data", "where", "mnist"]) == 0
        assert capsys.readouterr().out.strip() == str(tmp_path / "work/data/MNIST/raw")
        write_mnist(tmp_path / "cache" / "data")
        assert load_dataset("mnist").train.l == 3

    def test_nothing_is_downloaded_to_it(self, tmp_path):
        (tmp_path / "work" / "data").mkdir()
        with pytest.raises(DataError, match=r"cache/data/mnist and try again; .*work/data"):
            load_dataset("mnist", progress=False)
        assert list((tmp_path / "work" / "data").iterdir()) == []

    @pytest.mark.parametrize("inner", ["", "raw"])
    def test_a_path_to_files_like_mnists(self, tmp_path, inner):
        write_mnist(tmp_path / "FashionMNIST" / "raw", l=5, suffix="")
        data = load_dataset(tmp_path / "FashionMNIST" / inner)
        assert (data.name, data.train.l, data.test.l) == ("FashionMNIST", 5, 2)
        with pytest.raises(DataError, match="its images are 28x28x1, not 8x8x1"):
            load_dataset(tmp_path / "FashionMNIST", shape=(8, 8, 1))
        with pytest.raises(DataError, match="has its own test set"):
            load_dataset(tmp_path / "FashionMNIST", test=tmp_path)

    def test_a_path_to_files_like_cifars(self, binary, tmp_path):
        write_folder(tmp_path / "mine" / cifar.PYTHON_FOLDER, PYTHON)
        for path in (tmp_path / "mine", tmp_path / "mine" / cifar.PYTHON_FOLDER):
            assert same(load_dataset(path), binary)
            assert load_dataset(path).name == path.name


def test_the_names_of_both_versions():
    assert set(cifar.PYTHON) == {*cifar.BATCHES, cifar.META}
    assert set(cifar.PYTHON.values()) == set(PYTHON)
    assert len(idx.STEMS) == 4
