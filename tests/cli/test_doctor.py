"""``simplenn doctor``: what it finds, what it says to do, what it deletes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numba
import psutil
import pytest

from simplenn_py.cli import main
from simplenn_py.kernels import shortcuts
from simplenn_py.kernels.policy import cache_folder
from simplenn_py.machine import doctor
from simplenn_py.runtime.memory import free_bytes

VARIABLES = [
    *doctor._SLOW,
    *doctor._THREAD_VARIABLES,
    *doctor._IGNORED,
    "OPENBLAS_CORETYPE",
    "SIMPLENN_LANES",
]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is set that slows, whatever the tests themselves run under."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("SIMPLENN_DATA_DIR", raising=False)


def remedies() -> dict[str, str]:
    return {f"{f.topic}: {f.value}": f.remedy for f in doctor.examine() if not f.ok}


def remedy_of(variable: str) -> str:
    (found,) = [text for what, text in remedies().items() if variable in what + text]
    return found


def test_every_topic_of_a_sound_computer_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    topics = {finding["topic"] for finding in report["findings"]}
    assert topics >= {
        "Python", "NumPy", "Numba", "processor", "SIMD", "cores", "memory", "threading", "BLAS",
        "variables", "compile cache", "data folder",
    }  # fmt: skip
    assert report["ok"] == (status == 0) == all(f["ok"] for f in report["findings"])
    assert all(finding["ok"] == (finding["remedy"] == "") for finding in report["findings"])


def test_nothing_wrong_is_status_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: [doctor.Finding("Python", "3")])
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out == "ok       Python  3\n"


def test_a_warning_is_status_1_with_its_remedy_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    (at,) = [k for k, line in enumerate(lines) if "OMP_WAIT_POLICY=ACTIVE" in line]
    assert lines[at].startswith("warning")
    assert "unset it" in lines[at + 1]


def test_a_numba_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any("shortcuts" in text for text in remedies().values())
    monkeypatch.setattr(shortcuts, "usable", lambda: False)
    assert "the first start takes longer" in remedy_of("without the shortcuts")


def test_variables_that_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "available", lambda: 4)
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "512")
    monkeypatch.setenv("MKL_NUM_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "4")
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    assert "unset it" in remedy_of("OPENBLAS_L2_SIZE=512")
    assert "there are 4 cores" in remedy_of("MKL_NUM_THREADS=1")
    assert not any("OPENBLAS_NUM_THREADS" in what or "OMP_" in what for what in remedies())


def test_a_foreign_blas_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    library = {"internal_api": "openblas", "version": "0", "architecture": "Haswell"}
    monkeypatch.setattr(doctor, "blas", lambda: [library | {"num_threads": 2}])
    monkeypatch.setattr(doctor, "_own_kernel", lambda: "SkylakeX")
    assert not any("BLAS" in what for what in remedies())
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    remedy = "OPENBLAS_CORETYPE=Haswell prevents the faster kernels for SkylakeX"
    assert remedy in remedy_of("BLAS")
    monkeypatch.setattr(doctor, "_own_kernel", lambda: "Haswell")
    assert not any("BLAS" in what for what in remedies())


def test_the_own_kernel_is_asked_of_a_process_without_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from threadpoolctl import threadpool_info

    free = doctor._own_kernel()
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")
    assert doctor._own_kernel() == free
    loaded = {pool["internal_api"] for pool in threadpool_info()}
    assert (free is None) == ("openblas" not in loaded)


@pytest.mark.parametrize(("value", "remedy"), [("8", "is for tests"), ("9", "must be 4, 8 or 16")])
def test_lanes_that_are_overridden(
    value: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMPLENN_LANES", value)
    assert remedy in remedy_of("SIMPLENN_LANES")


def test_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        total, available = 1 << 30, 1 << 20

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    assert "--batch-size" in remedy_of("memory: 1.0 GiB, of which 1.0 MiB are free")


def test_a_container_with_less_time_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "available", lambda: 8)
    monkeypatch.setattr(doctor, "_container_limit", lambda: 2.5)
    assert "NUMBA_NUM_THREADS=2" in remedy_of("cores: 8")


def test_workqueue_is_a_slow_threading_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba, "threading_layer", lambda: "workqueue")
    assert "OpenMP" in remedy_of("Numba on workqueue")


def test_a_data_folder_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIMPLENN_DATA_DIR", str(tmp_path / "nowhere"))
    assert "SIMPLENN_DATA_DIR names a folder that does not exist" in remedy_of("nowhere")
    (tmp_path / "nowhere").mkdir()
    assert not any("nowhere" in what for what in remedies())


def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert "set NUMBA_CACHE_DIR" in remedy_of("file is not writable: every start compiles again")


def test_only_old_caches_are_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    current = cache_folder()
    assert current is not None
    old = current.with_name("kernels-0123456789abcdef")
    others = [current.with_name("kernels-mine"), current.with_name("data")]
    for folder in (old, *others):
        folder.mkdir()
        (folder / "code.nbc").write_bytes(bytes(2048))
    sound = hashlib.sha256(b"code").digest() + b"code"
    (current / "code.nbc").write_bytes(sound)
    main(["doctor"])
    assert "1 old folder beside it, 2.0 KiB" in capsys.readouterr().out
    main(["doctor", "--clean-cache", "--json"])
    shown = capsys.readouterr()
    assert shown.err == "deleted: 1 old cache folder, 2.0 KiB\n"
    assert not old.exists()
    assert (current / "code.nbc").exists()
    assert all((folder / "code.nbc").exists() for folder in others)
    json.loads(shown.out)


def test_damaged_code_is_said_and_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    current = cache_folder()
    assert current is not None
    (current / "halved-1.nbc").write_bytes(bytes(50))
    (current / "folder-1.nbc").mkdir()
    assert "--clean-cache" in remedy_of("2 damaged files: folder-1.nbc, halved-1.nbc")
    main(["doctor", "--clean-cache"])
    assert capsys.readouterr().err == "deleted: 0 old cache folders, 0 B, 2 damaged files\n"
    assert list(current.glob("*")) == []


def test_a_cache_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_no_room", lambda folder: "No space left on device")
    assert "another disk" in remedy_of("No space left on device, so every start compiles again")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="a system without owners of files")
def test_a_cache_that_others_can_write(monkeypatch: pytest.MonkeyPatch) -> None:
    current = cache_folder()
    assert current is not None
    current.chmod(0o777)
    assert "only you can write" in remedy_of("may be changed by other users")


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("NUMBA_NUM_THREADS", "0", "it must be a whole number, 1 or more"),
        ("NUMBA_NUM_THREADS", "abc", "it must be a whole number, 1 or more"),
        ("NUMBA_NUM_THREADS", "999", "more threads wait for each other"),
        ("NUMBA_THREADING_LAYER", "nonsense", "it must be one of default, tbb, omp"),
        ("NUMBA_THREADING_LAYER_PRIORITY", "omp", "in any order"),
        ("NUMBA_CPU_FEATURES", "avx2", "a list such as"),
        ("OMP_NUM_THREADS", "abc", "has no effect"),
        ("OPENBLAS_NUM_THREADS", "0", "has no effect"),
        ("OMP_WAIT_POLICY", "sleep", "has no effect"),
    ],
)
def test_variables_that_no_library_can_read(
    name: str, value: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert remedy in remedies()[f"variable: {name}={value}"]


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("no such system call")

    monkeypatch.setattr(psutil, "virtual_memory", broken)
    assert "send this" in remedy_of("RuntimeError: no such system call")
    assert any(finding.topic == "data folder" for finding in doctor.examine())


def test_memory_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed() -> None:
        raise FileNotFoundError(2, "No such file or directory", "/proc/meminfo")

    monkeypatch.setattr(psutil, "virtual_memory", closed)
    assert remedy_of("/proc/meminfo") == "mount /proc"
    if hasattr(os, "sysconf"):
        assert free_bytes() > 0


def test_a_configuration_folder_of_matplotlib(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "nowhere"))
    assert "unset the variable" in remedy_of("MPLCONFIGDIR=")


# Each command of a process with a wrong variable: its status, and what it says.
WRONG = [
    ({"NUMBA_DISABLE_JIT": "1"}, ["doctor"], 1, "variable"),
    ({"NUMBA_DISABLE_JIT": "1"}, ["summary", "digits"], 2, "choose the engine lecture"),
    ({"NUMBA_OPT": "7", "MPLBACKEND": "nonsense"}, ["doctor"], 1, "MPLBACKEND=nonsense"),
    ({"NUMBA_NUM_THREADS": "0"}, ["train", "digits"], 2, "NUMBA_NUM_THREADS is '0'"),
]


@pytest.mark.parametrize(("variables", "words", "status", "said"), WRONG)
def test_no_variable_ends_a_command_in_a_traceback(
    variables: dict[str, str], words: list[str], status: int, said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simplenn_py", *words],
        capture_output=True, text=True, env=os.environ | variables,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr
    assert all(name in done.stdout + done.stderr for name in variables)
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.count("\n") == (status == 2)


def test_it_works_in_a_process_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simplenn_py", "doctor"], capture_output=True, text=True
    )
    assert done.returncode in (0, 1)
    assert done.stderr == ""
    assert "Numba on" in done.stdout
