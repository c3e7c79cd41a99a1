"""Whether this machine is the cluster's head."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pibramble.files.names import CARD_FILE
from pibramble.files.ssh import USER_KEY
from pibramble.plan.model import Plan


def is_head(plan: Plan, root: Path = Path("/")) -> bool:
    """Say whether this machine is the head of this very cluster.

    A board says so by its card. A PC as the head has none: there it is the host name, and the key that no other has.
    """
    try:
        facts = json.loads((root / CARD_FILE[1:]).read_text(encoding="utf-8"))
        return (facts["cluster"], facts["id"], facts["node"]) == (plan.name, plan.id, plan.head.name)
    except FileNotFoundError:
        return host_name() == plan.head.name and (root / USER_KEY[1:]).exists()
    except (OSError, ValueError, KeyError, TypeError):  # damaged
        return False


def host_name() -> str:
    """Return this machine's name."""
    return os.uname().nodename
