"""One file per framework; each has ``build(case, variant)``, which returns a ``Runner``."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Peer:
    """Module of a competitor, and the environment variables that suit it best."""

    module: str
    variant: str = ""
    environment: dict[str, str] = field(default_factory=dict)


_HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}

PEERS = {
    "ours": Peer("simplenn"),
    "torch-nchw": Peer("pytorch", "nchw", _HUGE_PAGES),
    "torch-channels-last": Peer("pytorch", "channels-last", _HUGE_PAGES),
    "keras": Peer("keras_tensorflow", "", _QUIET | _HUGE_PAGES),
    "jax": Peer("jax_xla", "", _HUGE_PAGES),
    "lecture": Peer("simplenn", "lecture"),
}
