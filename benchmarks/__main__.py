"""The command: `python -m benchmarks`. README.md here says what it measures."""

from __future__ import annotations

import argparse

from benchmarks import footprint, slicing, speed

PARTS = ("speed", "memory", "startup", "slicing")


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the tap, and others beside it.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--runs", type=int, default=3, help="how often each is run; medians are shown (default: 3)")
    parser.add_argument("--count", type=int, default=10_000, help="recordings for the speed part (default: 10000)")
    parser.add_argument("--latencies", default="0,0.15", help="seconds a request, in turn (default: 0,0.15)")
    parser.add_argument("--only", default=",".join(speed.CONTESTANTS), help="contestants (default: %(default)s)")
    parser.add_argument("--large", type=int, default=100_000, help="recordings for the memory part (default: 100000)")
    parser.add_argument("--million", action="store_true", help="slicing: a million recordings too; takes minutes")
    parser.add_argument("--seeds", type=int, default=0, help="slicing: so many sets of random recordings instead")
    options = parser.parse_args()
    parts = options.parts or PARTS
    names = options.only.split(",")
    if unknown := [*(set(parts) - set(PARTS)), *(set(names) - speed.CONTESTANTS.keys())]:
        parser.error(f"there is no {', '.join(unknown)}")
    if "speed" in parts:
        speed.run(names, options.count, options.runs, [float(each) for each in options.latencies.split(",")])
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


if __name__ == "__main__":
    main()
