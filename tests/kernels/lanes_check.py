"""A few networks by both engines: run as a program, with SIMPLENN_LANES set and a dtype given."""

from __future__ import annotations

import sys

import numpy as np
from agreement import Setting, assert_engines_agree
from networks import net

from simplenn_py.kernels.emitter import FLOAT32_LANES

# A convolutional layer is (filters, h, p, s, h_pool).
NETS = (
    net(9, 8, 3, (5, 3, 1, 2, 1), (9, 3, 1, 1, 2)),
    net(7, 9, 16, (33, 3, 1, 1, 2), (17, 3, 0, 1, 1)),
    net(4, 5, 17, (16, 3, 1, 1, 1)),
    net(11, 8, 1, (7, 5, 2, 1, 3)),
    net(6, 5, 33, (130, 3, 1, 1, 1), full=(20, 4)),
    net(1, 1, 13, (31, 3, 1, 1, 1), full=(2,)),
)


def main(dtype: str) -> None:
    for config in NETS:
        kind = np.dtype(dtype).type
        assert_engines_agree(Setting(config, 5, kind))
        # Whole numbers without Winograd's tiles, whose sums are not exact.
        assert_engines_agree(Setting(config, 3, kind, integers=True, winograd=False))
    print(f"{FLOAT32_LANES} lanes: {len(NETS)} networks agree")


if __name__ == "__main__":
    main(sys.argv[1])
