"""The command, as a person types it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def pibramble(*words: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pibramble", *words]
    env = {key: value for key, value in os.environ.items() if key not in {"PIBRAMBLE_FILE", "PIBRAMBLE_TARGET"}}
    return subprocess.run(
        argv, cwd=folder, env=env | environment, capture_output=True, text=True, timeout=60, check=False
    )
