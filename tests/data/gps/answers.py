"""Asks gpsd what it makes of the logs of this folder, and keeps its answers beside them as NAME.log.chk.

`python -m tests.data.gps.answers`: gpsd is the one that `scripts/setup gps` unpacks.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.gps.daemons import answers

HERE = Path(__file__).parent


def main() -> None:
    """Write the answers: reports of position and sky, without the device, which has another name each time."""
    for log in sorted(HERE.glob("*.log")):
        kept = []
        for line in answers(log.read_bytes()):
            if not line.startswith(b"{"):
                kept.append(line)
                continue
            answer = json.loads(line)
            if answer["class"] in {"TPV", "SKY"}:
                answer.pop("device", None)
                kept.append(json.dumps(answer, separators=(",", ":")).encode())
        log.with_name(log.name + ".chk").write_bytes(b"".join(line + b"\n" for line in kept))


if __name__ == "__main__":
    main()
