"""The server process. It reads commands from standard input, one line of JSON each."""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

from tests.sandbox import Sandbox
from tests.sandbox.data import stream_plain


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    """Serve until standard input ends."""
    with Sandbox(stream_plain(int(sys.argv[1])), most_scored=None) as sandbox:
        _say({"url": sandbox.url, "token": sandbox.token})
        spent = _cpu()
        for line in sys.stdin:
            question = json.loads(line)
            if "latency" in question:
                sandbox.latency = question["latency"]
                sandbox.clear()
                spent = _cpu()
            _say({"requests": len(sandbox.requests), "cpu": _cpu() - spent})


if __name__ == "__main__":
    main()
