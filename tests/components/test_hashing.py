import subprocess
import sys

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from components.columns import ID_TYPE
from components.hashing import hash_ids, mix

MASK = 2**64 - 1


def slow_mix(value):
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & MASK
    return value ^ (value >> 31)


def slow_hash(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & MASK
    return slow_mix(value)


@given(st.lists(st.text(max_size=12), max_size=20))
def test_hashes_agree_with_a_loop_over_bytes(texts):
    expected = [slow_hash(text) for text in texts]
    assert hash_ids(pa.array(texts, ID_TYPE)).tolist() == expected


def test_a_slice_hashes_like_the_rows_it_shows():
    texts = pa.array(["a", "bc", "", "def"], ID_TYPE)
    assert hash_ids(texts.slice(1, 2)).tolist() == hash_ids(texts).tolist()[1:3]


def test_mix_spreads_neighbouring_values_over_parts():
    parts = mix(np.arange(8_000, dtype=np.uint64)) % np.uint64(8)
    counts = np.bincount(parts.astype(np.int64), minlength=8)
    assert (abs(counts - 1_000) < 150).all()  # 5 standard deviations of a fair part


def test_another_process_gives_the_same_hash():
    code = (
        "import pyarrow as pa; from components.hashing import hash_ids;"
        "print(hash_ids(pa.array(['q1'], pa.large_string()))[0])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) == slow_hash("q1")
