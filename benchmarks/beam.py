"""The preparation's jobs beside their peers: `make bench-beam`, `make bench-beam SIZE=10M`.

Every contender runs in a process of its own on the same files, several times in turn; the median of
its CPU seconds counts, from when its code is loaded. Each row prints both figures and their ratio
beside the bar; below a bar the command ends with 1. The element-wise jobs take minutes a million
rows: they always run on `ELEMENTWISE_ROWS`, beside ours on as many.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

SIZES = {"1M": 1_000_000, "10M": 10_000_000}
ELEMENTWISE_ROWS = 1_000_000
REPEATS = 3
RESULTS = Path("benchmarks/results")

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison.

    Attributes:
      what: The job and the peer, or the bound.
      ours: Our figure.
      theirs: The peer's, or the bound.
      ratio: What is held against the bar.
      bar: The bar.
      holds: Whether it is met.
    """

    what: str
    ours: float
    theirs: float
    ratio: float
    bar: str
    holds: bool


def measure(name: str, job: str, rows: int) -> Figures:
    """Runs one contender once."""
    data = RESULTS.parent / "data"
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "benchmarks.contenders", name, job, str(rows), str(data)]
        done = subprocess.run([*command, directory], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} {job}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def medians(contenders: dict[str, str], rows: int, repeats: int) -> dict[str, Figures]:
    """The median figures of contenders (name to job) that take turns."""
    seen: dict[str, list[Figures]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, job in contenders.items():
            seen[name].append(measure(name, job, rows))
    return {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in seen.items()
    }


def at_most(what: str, ours: float, theirs: float, bar: float) -> Line:
    """Our figure is at most `bar` times theirs."""
    return Line(what, ours, theirs, ours / theirs, f"<= {bar:g}", ours <= bar * theirs)


def at_least(what: str, ours: float, theirs: float, bar: float) -> Line:
    """Their figure is at least `bar` times ours."""
    return Line(what, ours, theirs, theirs / ours, f">= {bar:g}", theirs >= bar * ours)


def against_engines(rows: int) -> tuple[list[Line], dict[str, Figures]]:
    """CPU of polars and DuckDB beside ours, and what ours needed."""
    frequencies = medians(dict.fromkeys(("shortlist", "polars", "duckdb"), "frequencies"), rows, 3)
    histories = medians(dict.fromkeys(("shortlist", "duckdb"), "histories"), rows, REPEATS)
    ours = {"frequencies": frequencies["shortlist"], "histories": histories["shortlist"]}
    cpu = {job: figures["cpu_s"] for job, figures in ours.items()}
    lines = [
        at_most("frequencies / polars", cpu["frequencies"], frequencies["polars"]["cpu_s"], 3),
        at_most("frequencies / duckdb", cpu["frequencies"], frequencies["duckdb"]["cpu_s"], 3),
        at_most("histories / duckdb", cpu["histories"], histories["duckdb"]["cpu_s"], 1),
    ]
    return lines, ours


def against_elementwise() -> list[Line]:
    """CPU of element-wise Beam beside ours."""
    lines = []
    for job, bar in (("frequencies", 10), ("histories", 25)):
        ours = medians({"shortlist": job}, ELEMENTWISE_ROWS, REPEATS)["shortlist"]["cpu_s"]
        theirs = medians({"elementwise": job}, ELEMENTWISE_ROWS, 1)["elementwise"]["cpu_s"]
        lines.append(at_least(f"elementwise / {job}", ours, theirs, bar))
    return lines


def in_memory(ours: dict[str, Figures]) -> list[Line]:
    """Peak memory of ten million rows, and how it grew from one million."""
    lines = []
    for job, bound in (("frequencies", 600), ("histories", 2_000)):
        small = medians({"shortlist": job}, SIZES["1M"], 1)["shortlist"]["peak_mb"]
        large = ours[job]["peak_mb"]
        lines.append(at_most(f"{job} peak MB", large, bound, 1))
        lines.append(at_most(f"{job} peak MB, 10M / 1M", large, small, 10))
    return lines


def main() -> None:
    """Prints a line a comparison, and writes them as JSON."""
    size = sys.argv[1] if len(sys.argv) > 1 else "1M"
    if size not in SIZES:
        raise SystemExit(f"SIZE={size}: give one of {', '.join(SIZES)}.")
    lines, ours = against_engines(SIZES[size])
    lines += against_elementwise()
    if size == "10M":
        lines += in_memory(ours)
    for line in lines:
        verdict = "" if line.holds else "   BELOW THE BAR"
        print(
            f"{line.what:32} {line.ours:9.2f} {line.theirs:9.2f} {line.ratio:7.2f}  {line.bar}"
            f"{verdict}"
        )
    RESULTS.mkdir(parents=True, exist_ok=True)
    described = {"size": size, "ours": ours, "lines": [asdict(line) for line in lines]}
    (RESULTS / "beam.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    if not all(line.holds for line in lines):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
