import numpy as np
import pytest
from numba.core import caching

from components.compiled import compiled


def total(values):
    result = 0
    for value in values:
        result += value
    return result


def test_a_compiled_loop_gives_what_the_loop_gives():
    values = np.arange(10)
    assert compiled(total)(values) == total(values) == 45


def test_without_a_place_for_the_cache_the_loop_is_still_compiled(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert compiled(total)(np.arange(10)) == 45


def test_numba_alone_would_fail_there(monkeypatch):
    import numba

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="no locator available"):
        numba.njit(cache=True)(total)
