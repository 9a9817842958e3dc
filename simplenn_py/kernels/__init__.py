"""The only compiled code of the package.

A kernel only loops and writes into arrays that it is given.  Checking, allocating and
naming the lecture's step is the work of ``cnn/`` and ``engines/``.  Images come as
C-contiguous views ``[instance, column, row, channel]`` (``layout.pixels``), patches as
``[instance, column, row, channel, w, u]``: the order of the lecture's storage, seen from C.
"""

from ..runtime.variables import check_variables

check_variables()  # before a kernel imports Numba
