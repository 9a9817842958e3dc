"""Finding, downloading and verifying, against a server on this machine only."""

from __future__ import annotations

import gzip
import hashlib
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from makers import FOLDER, batches, good_members, packed, tar, write_folder, write_mnist

from simplenn_py.datasets import catalogue, cifar, download, fetch, idx, load_dataset, verify
from simplenn_py.datasets.catalogue import Info, RemoteFile
from simplenn_py.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep the user's own cache and proxies out of every test."""
    import platformdirs

    monkeypatch.delenv("SIMPLENN_DATA_DIR", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    return tmp_path / "cache" / "data"


@pytest.fixture
def server():
    """Serve `server.pages`: path to bytes, or to a status, or to bytes to break off after."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            page = self.server.pages.get(self.path, 404)
            if isinstance(page, int):
                self.send_error(page)
                return
            body, length = page if isinstance(page, tuple) else (page, len(page))
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.pages, http.asked = {}, []
        http.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield http
        http.shutdown()
        thread.join()


def remote(name: str, content: bytes, inner: bytes | None = None) -> RemoteFile:
    digest = hashlib.sha256(content).hexdigest()
    return RemoteFile(
        name, len(content), digest, hashlib.sha256(inner).hexdigest() if inner else ""
    )


def register(monkeypatch, name, files, mirrors, counts=(3, 2), shape=(28, 28, 1)):
    entry = Info(name, "for tests", *counts, shape, 10, tuple(files), tuple(mirrors))
    monkeypatch.setitem(catalogue.CATALOGUE, name, entry)


@pytest.fixture
def mnist(tmp_path, monkeypatch, server):
    """A small MNIST, published on two mirrors, /a/ and /b/; returns its files."""
    write_mnist(tmp_path / "made", l=30, l_test=30)
    contents = {p.name: p.read_bytes() for p in sorted((tmp_path / "made").iterdir())}
    files = [
        remote(f"{stem}.gz", contents[f"{stem}.gz"], gzip.decompress(contents[f"{stem}.gz"]))
        for stem in idx.STEMS
    ]
    register(monkeypatch, "mnist", files, [f"{server.url}/a/", f"{server.url}/b/"], (30, 30))
    server.pages = {f"/{m}/{name}": content for m in "ab" for name, content in contents.items()}
    return contents


def test_downloads_into_the_cache_once(mnist, cache, server):
    assert fetch.where("mnist") is None
    assert load_dataset("mnist").train.l == 30
    assert fetch.where("mnist") == cache / "mnist"
    assert {p.name: p.read_bytes() for p in (cache / "mnist").iterdir()} == mnist
    asked = list(server.asked)
    assert len(asked) == 4
    assert all(path.startswith("/a/") for path in asked)
    load_dataset("mnist")
    fetch.fetch("mnist")
    assert server.asked == asked


def test_places_are_searched_in_order(mnist, cache, tmp_path, monkeypatch, server):
    given, env = tmp_path / "given", tmp_path / "env"
    monkeypatch.setenv("SIMPLENN_DATA_DIR", str(env))
    assert fetch.folders(given) == [given, env, cache]
    for place in (cache, env, given):
        write_mnist(place)
        assert fetch.where("mnist", given) == place
    assert server.asked == []


def test_downloads_into_the_first_place_that_is_given(mnist, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("SIMPLENN_DATA_DIR", str(tmp_path / "env"))
    assert fetch.fetch("mnist") == tmp_path / "env" / "mnist"
    assert fetch.fetch("mnist", tmp_path / "new" / "mnist") == tmp_path / "new" / "mnist"
    assert not cache.exists()


@pytest.mark.parametrize("fault", ["status", "other", "short", "long", "broken off"])
def test_the_second_mirror_helps(mnist, cache, server, fault):
    name = "train-images-idx3-ubyte.gz"
    good = mnist[name]
    server.pages[f"/a/{name}"] = {
        "status": 503,
        "other": good[:-1] + bytes([good[-1] ^ 1]),
        "short": good[:-1],
        "long": good + b"x" * 10**6,
        "broken off": (good[:100], len(good)),
    }[fault]
    load_dataset("mnist", progress=False)
    assert f"/b/{name}" in server.asked
    assert {p.name: p.read_bytes() for p in (cache / "mnist").iterdir()} == mnist


def test_no_mirror_helps_and_nothing_is_left(mnist, cache, server, capsys):
    name = "train-images-idx3-ubyte.gz"
    server.pages[f"/a/{name}"], server.pages[f"/b/{name}"] = b"x", 404
    with pytest.raises(DataError) as caught:
        load_dataset("mnist", progress=False)
    message = str(caught.value)
    assert message.startswith(f"mnist: {name} could not be downloaded (127.0.0.1: sent 1 of ")
    assert "127.0.0.1: HTTP status 404" in message
    assert "\n" not in message
    assert all(file in message for file in mnist), "all four files are named"
    assert f"into {cache / 'mnist'} and try again; looked in {cache}" in message
    assert list((cache / "mnist").iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_a_wrong_checksum_is_named(mnist, server):
    name = "train-images-idx3-ubyte.gz"
    for mirror in "ab":
        server.pages[f"/{mirror}/{name}"] = bytes(len(mnist[name]))
    with pytest.raises(DataError, match=r"sent a file with another checksum"):
        load_dataset("mnist", progress=False)


def test_a_mirror_that_never_stops_is_stopped(mnist, server):
    name = "train-images-idx3-ubyte.gz"
    for mirror in "ab":
        server.pages[f"/{mirror}/{name}"] = mnist[name] + b"x"
    with pytest.raises(DataError, match=r"sent more than the \d+ bytes of this file"):
        load_dataset("mnist", progress=False)


def test_without_a_network(monkeypatch, tmp_path, cache):
    # A port that nothing listens on: refused at once, as without a network.
    file = remote("cifar-10-binary.tar.gz", b"x")
    register(monkeypatch, "cifar10", [file], ["http://127.0.0.1:9/"])
    with pytest.raises(DataError) as caught:
        load_dataset("cifar10", data_dir=tmp_path / "new", progress=False)
    assert str(caught.value) == (
        "cifar10: cifar-10-binary.tar.gz could not be downloaded (127.0.0.1: no connection); put "
        f"cifar-10-binary.tar.gz into {tmp_path / 'new' / 'cifar10'} and try again; looked in "
        f"{tmp_path / 'new'}, {cache}"
    )


def test_good_files_stay_and_damaged_ones_are_replaced(mnist, tmp_path, server):
    folder = tmp_path / "mine" / "mnist"
    write_mnist(folder, l=30, l_test=30)
    own = gzip.compress(packed(np.ones((30, 28, 28))), 1)  # reads well, has another checksum
    (folder / "train-images-idx3-ubyte.gz").write_bytes(own)
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"t10k-labels.*simplenn data fetch mnist"):
        load_dataset("mnist", data_dir=tmp_path / "mine")
    fetch.fetch("mnist", tmp_path / "mine", progress=False)
    assert server.asked == ["/a/t10k-labels-idx1-ubyte.gz"]
    assert (folder / "train-images-idx3-ubyte.gz").read_bytes() == own
    assert load_dataset("mnist", data_dir=tmp_path / "mine").train.Z.max() == 1


def test_a_failed_download_keeps_what_was_there(mnist, tmp_path, server):
    folder = tmp_path / "mnist"
    write_mnist(folder)
    damaged = folder / "train-labels-idx1-ubyte.gz"
    damaged.write_bytes(b"damaged")
    server.pages = {}
    with pytest.raises(DataError, match=r"could not be downloaded"):
        fetch.fetch("mnist", folder, progress=False)
    assert damaged.read_bytes() == b"damaged"


def test_a_folder_that_cannot_be_made(mnist, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be created .*choose another --data-dir"):
        load_dataset("mnist", data_dir=tmp_path / "file", progress=False)


@pytest.fixture
def cifar10(tmp_path, monkeypatch, server):
    content = tar(tmp_path / "made.tar.gz", good_members()).read_bytes()
    server.pages = {"/a/cifar-10-binary.tar.gz": content}
    file = remote("cifar-10-binary.tar.gz", content)
    register(monkeypatch, "cifar10", [file], [f"{server.url}/a/"], (10, 2), (32, 32, 3))


def test_downloads_and_unpacks_cifar10(cifar10, cache):
    found = fetch.fetch("cifar10", progress=False)
    assert found == cache / "cifar10" / FOLDER
    assert load_dataset("cifar10").train.l == 10


def test_a_damaged_batch_is_replaced(cifar10, tmp_path):
    write_folder(tmp_path / "d" / FOLDER, {**batches(), "test_batch.bin": b"damaged"})
    with pytest.raises(DataError, match=r"has 7 bytes"):
        load_dataset("cifar10", data_dir=tmp_path / "d")
    fetch.fetch("cifar10", tmp_path / "d", progress=False)
    assert load_dataset("cifar10", data_dir=tmp_path / "d").test.l == 2


def test_progress_is_a_line_where_there_is_no_terminal(mnist, capsys):
    load_dataset("mnist")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("downloading train-images-idx3-ubyte.gz from 127.0.0.1 (")


def test_progress_is_a_bar_on_a_terminal(mnist, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(download.sys, "stderr", screen)
    assert load_dataset("mnist").train.l == 30
    assert "\x1b[" in screen.getvalue()
    assert "\ndownloading" not in screen.getvalue()


def test_verify_states_what_each_file_is(mnist, tmp_path):
    folder = tmp_path / "d"
    fetch.fetch("mnist", folder, progress=False)
    assert {verdict for _, verdict in verify.verify("mnist", folder).files} == {verify.OFFICIAL}
    images, labels = (folder / "mnist" / f"{stem}.gz" for stem in idx.STEMS[:2])
    content = gzip.decompress(images.read_bytes())
    images.write_bytes(gzip.compress(content, 1, mtime=5))
    labels.unlink()
    labels.with_suffix("").write_bytes(gzip.decompress(mnist[labels.name]))
    test_images = folder / "mnist" / f"{idx.STEMS[2]}.gz"
    test_images.write_bytes(gzip.compress(packed(np.ones((30, 28, 28)))))
    result = verify.verify("mnist", folder)
    verdicts = [verdict for _, verdict in result.files]
    assert verdicts == [verify.REPACKED, verify.REPACKED, verify.OTHER, verify.OFFICIAL]
    assert (result.train, result.test) == (30, 30)


def test_verify_cifar10_and_digits(tmp_path, monkeypatch):
    ten = bytearray(batches(l=10)["test_batch.bin"])
    ten[::3073] = bytes(range(10))
    members = {name: bytes(ten) for name in cifar.BATCHES}
    path = tar(
        tmp_path / "cifar-10-binary.tar.gz", [(f"{FOLDER}/{n}", c) for n, c in members.items()]
    )
    register(
        monkeypatch, "cifar10", [remote(path.name, path.read_bytes())], ["x"], (50, 10), (32, 32, 3)
    )
    assert verify.verify("cifar10", tmp_path).files == ((path, verify.OFFICIAL),)
    assert verify.verify("cifar10", tmp_path).files[0][1] == verify.UNPACKED
    assert verify.verify("digits").files[0][1] == verify.OFFICIAL


def test_verify_refuses(mnist, tmp_path, server):
    with pytest.raises(DataError, match=r"mnist: is in none of .*simplenn data fetch mnist"):
        verify.verify("mnist", tmp_path / "d")
    write_mnist(tmp_path / "d", l=29, l_test=30)
    with pytest.raises(DataError, match=r"training set of mnist has 29 images of .* not 30 of 10"):
        verify.verify("mnist", tmp_path / "d")
    with pytest.raises(DataError, match=r"data set 'mnits' is unknown; .*did you mean 'mnist'"):
        verify.verify("mnits")
    assert server.asked == []


def test_the_catalogue_is_consistent():
    known = {entry.name: entry for entry in catalogue.catalogue()}
    assert list(known) == ["digits", "mnist", "cifar10"]
    for entry in known.values():
        assert all(mirror.endswith("/") for mirror in entry.mirrors)
        assert all(len(file.sha256) == 64 and file.size > 0 for file in entry.files)
    assert [file.name for file in known["mnist"].files] == [f"{stem}.gz" for stem in idx.STEMS]
