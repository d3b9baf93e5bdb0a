"""Serve the sandbox from the command line: `python -m tests.sandbox`."""

from __future__ import annotations

import argparse
import signal
import threading

from tests.sandbox import Sandbox
from tests.sandbox.data import recordings, stream_plain
from tests.sandbox.store import CURSORS, ORDERS


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox", description="A stand-in for Siro's API.")
    parser.add_argument("--port", type=int, default=8000, help="default: 8000; 0 for any free port")
    parser.add_argument("--count", type=int, default=300, help="number of recordings; default: 300")
    parser.add_argument("--order", default="newest_created", choices=ORDERS)
    parser.add_argument("--cursor", default="place", choices=CURSORS)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per request")
    parser.add_argument("--plain", action="store_true", help="regular recordings only, all of one size")
    options = parser.parse_args()

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    data = stream_plain(options.count) if options.plain else recordings(options.count)
    sandbox = Sandbox(data, order=options.order, cursor=options.cursor, latency=options.latency, port=options.port)
    with sandbox:
        lines = (
            f"Serving {options.count} recordings at {sandbox.url} with the token {sandbox.token}",
            "Point the tap to it:",
            f"export TAP_SIRO_API_URL={sandbox.url}",
            f"export TAP_SIRO_API_TOKEN={sandbox.token}",
        )
        print(*lines, sep="\n", flush=True)  # noqa: T201
        stop.wait()


if __name__ == "__main__":
    main()
