import pytest

from components.beam.failures import worker_errors_told
from components.errors import ArtifactError, DataError

TRACEBACK = """Traceback (most recent call last):
  File "worker.py", line 1, in <module>
components.errors.{kind}: the sentence. [while running 'Read/Read']
"""


@pytest.mark.parametrize("kind", [DataError, ArtifactError])
def test_an_error_of_a_worker_is_raised_without_its_step(kind):
    with pytest.raises(kind) as told, worker_errors_told():
        raise kind("the sentence. [while running 'Read/Read']")
    assert str(told.value) == "the sentence."


@pytest.mark.parametrize("kind", [DataError, ArtifactError])
def test_an_error_that_came_as_text_is_raised_as_itself(kind):
    with pytest.raises(kind) as told, worker_errors_told():
        raise RuntimeError(TRACEBACK.format(kind=kind.__name__))
    assert str(told.value) == "the sentence."


def test_a_defect_keeps_its_own_error():
    with (
        pytest.raises(RuntimeError, match="ZeroDivisionError: division by zero"),
        worker_errors_told(),
    ):
        raise RuntimeError("Traceback\nZeroDivisionError: division by zero")
