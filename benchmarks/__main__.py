"""The command `python -m benchmarks`. README.md in this directory lists its measurements."""

from __future__ import annotations

import argparse
from importlib import import_module

from benchmarks import footprint, slicing, speed

PARTS = ("speed", "memory", "startup", "slicing")
SCORES = {"with": True, "without": False}


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the tap, and others beside it.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: these), pipeline")
    parser.add_argument("--runs", type=int, default=3, help="how often each is run; medians are shown (default: 3)")
    parser.add_argument("--recordings", type=int, default=10_000, help="for pipeline and speed (default: 10000)")
    parser.add_argument("--latencies", default="0,0.15", help="seconds a request, in turn (default: 0,0.15)")
    parser.add_argument("--only", metavar="ROWS", help="pipeline and speed: rows of the table (default: all)")
    parser.add_argument("--scores", default="with,without", help="speed: evaluation scores (default: with,without)")
    parser.add_argument("--large", type=int, default=100_000, help="recordings for the memory part (default: 100000)")
    parser.add_argument("--million", action="store_true", help="slicing: a million recordings too; takes minutes")
    parser.add_argument("--seeds", type=int, default=0, help="slicing: so many sets of random recordings instead")
    options = parser.parse_args()
    parts = options.parts or PARTS
    # Imported only if needed: the memory of the databases' clients would be counted as the contestants'.
    pipeline = import_module("benchmarks.pipeline") if "pipeline" in parts else None
    all_rows = [*(pipeline.CONTESTANTS if pipeline else ()), *(speed.CONTESTANTS if "speed" in parts else ())]
    rows, scores = options.only.split(",") if options.only else all_rows, options.scores.split(",")
    if unknown := [*({*parts} - {*PARTS, "pipeline"}), *({*rows} - {*all_rows}), *({*scores} - SCORES.keys())]:
        parser.error(f"there is no {', '.join(unknown)}; rows are {', '.join(all_rows)}")
    if "speed" in parts:
        names = [name for name in rows if name in speed.CONTESTANTS]
        latencies = [float(each) for each in options.latencies.split(",")]
        speed.run(names, options.recordings, options.runs, latencies, [SCORES[each] for each in scores])
    if "memory" in parts:
        footprint.memory(options.large, options.runs)
    if "startup" in parts:
        footprint.startup(options.runs)
    if "slicing" in parts:
        if options.seeds:
            slicing.repeat(options.seeds)
        else:
            slicing.run(slicing.cases())
        if options.million:
            slicing.run(slicing.million())
    if pipeline:
        pipeline.run([name for name in rows if name in pipeline.CONTESTANTS], options.recordings, options.runs)


if __name__ == "__main__":
    main()
