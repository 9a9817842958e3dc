"""Write digits.csv.gz, the bundled data set, from the copy inside scikit-learn.

Run once, from anywhere, with scikit-learn installed (the package itself never needs it):

    python data/export_digits.py

One line per image: 64 pixel values 0..16, row after row, then the label 0..9.  The order is
that of the source.  The same input gives the same bytes: the gzip header holds no time and
no file name.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path


def main() -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    lines = [
        ",".join(str(int(v)) for v in (*pixels, label))
        for pixels, label in zip(digits.data, digits.target, strict=True)
    ]
    text = "\n".join(lines) + "\n"
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=9, mtime=0) as stream:
        stream.write(text.encode("ascii"))
    target = Path(__file__).with_name("digits.csv.gz")
    target.write_bytes(packed.getvalue())
    print(f"wrote {target.name}: {len(lines)} images, {len(packed.getvalue())} bytes")


if __name__ == "__main__":
    main()
