"""``python -m benchmarks step|predict|gv``, and ``svd``."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from simplenn_py.errors import UserError
from simplenn_py.network.config import NetConfig
from simplenn_py.network.presets import PRESETS
from simplenn_py.runtime.environment import cpu_name
from simplenn_py.runtime.threads import available

from .case import Case
from .peers import PEERS
from .race import Entrant, RaceError, race

_DESCRIPTION = """\
Compare the speed of this package with that of other frameworks, on the same network, weights and
images.  Choose what to time:

  step     a training step: forward, squared loss, backward, SGD with momentum
  predict  a forward pass for prediction
  gv       a product with the Gauss-Newton matrix of the squared loss: one forward pass, then one
           product after another, as in CG

Each competitor runs in its own process.  They take turns, round after round, so that disturbances
of the machine affect all of them.  A turn is three runs, of which two count.  You can compare the
ratios within one call, but not the times of two calls.
The other frameworks get their images in their own layout before the clock starts.  Our time
includes gathering the images of the batch."""

_EPILOG = """\
examples:
  python -m benchmarks step                           layer4 on the shapes of MNIST and CIFAR-10
  python -m benchmarks step --net layer7 --shape 32x32x3 --competitors torch-channels-last
  python -m benchmarks predict --dtype float32,float64 --json
  python -m benchmarks gv --shape 28x28x1
  SIMPLENN_LANES=8 python -m benchmarks step          our kernels with AVX2 vectors

python -m benchmarks svd compares randomized SVDs; see its own --help.
To install the other frameworks: pip install -e '.[benchmarks]'
A framework that is not installed is skipped."""

_COMPETITORS = [name for name in PEERS if name != "ours"]


def main() -> int:
    if sys.argv[1:2] == ["svd"]:  # times matrices, not networks
        from . import svd

        return svd.main(sys.argv[2:])
    args = _parser().parse_args()
    try:
        cases = [
            Case(args.kind, net, shape, dtype, args.batch)
            for net in args.net
            for shape in (args.shape or _shapes(net))
            for dtype in args.dtype
        ]
        for case in cases:
            _ = case.config  # reports a network that cannot exist before anything is timed
        rows = [row for case in cases for row in _run(case, args)]
    except (UserError, RaceError) as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
    if args.json:
        print(json.dumps(rows, indent=2))
    return 0


def _run(case: Case, args: argparse.Namespace) -> list[dict[str, Any]]:
    entrants = race(case, args.competitors, args.repeat, args.engine)
    if not args.json:
        _print(case, entrants, args.repeat)
    return [_row(case, entrants[0], entrant) for entrant in entrants[1:]]


def _row(case: Case, ours: Entrant, entrant: Entrant) -> dict[str, Any]:
    return {
        "net": case.net,
        "shape": _text(case.shape),
        "dtype": case.dtype,
        "batch": case.batch,
        "competitor": entrant.name,
        "ms_min": entrant.ms_min,
        "ms_median": entrant.ms_median,
        "ours_ms_min": ours.ms_min,
        "ratio": entrant.ms_min / ours.ms_min,
    }


def _print(case: Case, entrants: list[Entrant], repeat: int) -> None:
    what = {"step": "training step", "predict": "prediction", "gv": "Gauss-Newton product"}
    print(
        f"{case.net} on {_text(case.shape)}, batch {case.batch}, {case.dtype}: {what[case.kind]}; "
        f"{available()} cores of {cpu_name()}, {repeat} turns"
    )
    width = max(len(entrant.name) for entrant in entrants)
    print(f"  {'':{width}}   ms min  ms median   ratio")
    for entrant in entrants:
        row = _row(case, entrants[0], entrant)
        numbers = f"{row['ms_min']:9.2f}  {row['ms_median']:9.2f}  {row['ratio']:6.2f}"
        print(f"  {entrant.name:{width}}{numbers}   {entrant.version}")
    print(flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("kind", choices=("step", "predict", "gv"),
        help="training step, forward pass, or Gauss-Newton product")  # fmt: skip
    add("--net", type=_list, default=["layer4"], metavar="NET,...",
        help=f"{', '.join(PRESETS)} or a .config file (layer4)")  # fmt: skip
    add("--shape", type=_shape_list, metavar="HxWxD,...",
        help="image sizes (28x28x1,32x32x3; for a .config file, its own)")  # fmt: skip
    add("--dtype", type=_choices("float32", "float64"), default=["float32"], metavar="D,...",
        help="float32, float64 (float32)")  # fmt: skip
    add("--batch", type=_positive, default=128, metavar="N", help="images per batch (%(default)s)")
    add("--competitors", type=_choices(*_COMPETITORS), default=_COMPETITORS, metavar="NAME,...",
        help=f"any of {', '.join(_COMPETITORS)} (all)")  # fmt: skip
    add("--engine", default="", metavar="E", help="engine of this package (the default one)")
    add("--repeat", type=_positive, default=20, metavar="N",
        help="turns per competitor (%(default)s)")  # fmt: skip
    add("--json", action="store_true", help="print only JSON, a list of rows, on stdout")
    return parser


def _shapes(net: str) -> list[tuple[int, int, int]]:
    if net in PRESETS:
        return [(8, 8, 1)] if net == "digits" else [(28, 28, 1), (32, 32, 3)]
    return [NetConfig.read(net).image_shape]


def _text(shape: tuple[int, int, int]) -> str:
    return "x".join(map(str, shape))


def _list(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _choices(*known: str) -> Any:
    def parse(text: str) -> list[str]:
        for part in _list(text):
            if part not in known:
                raise argparse.ArgumentTypeError(f"{part!r} is none of {', '.join(known)}")
        return _list(text)

    return parse


def _shape_list(text: str) -> list[tuple[int, ...]]:
    shapes = [tuple(int(n) for n in part.split("x") if n.isdigit()) for part in _list(text)]
    if not all(len(shape) == 3 and min(shape) > 0 for shape in shapes):
        raise argparse.ArgumentTypeError(f"{text!r} is not like 28x28x1,32x32x3")
    return shapes


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
