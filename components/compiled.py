"""Compiled functions: loops over NumPy arrays, compiled by Numba once and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Loop = TypeVar("Loop", bound=Callable)


def compiled(loop: Loop) -> Loop:
    """Compiles `loop` on its first call, and keeps the machine code beside its module.

    Where neither that directory nor the user's cache can be written, as in a read-only container,
    each process compiles anew; `NUMBA_CACHE_DIR` names another place.
    """
    try:
        return cast(Loop, numba.njit(cache=True, nogil=True)(loop))
    except RuntimeError:  # Numba found no place for its cache
        return cast(Loop, numba.njit(nogil=True)(loop))
