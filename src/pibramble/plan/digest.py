"""What tells one plan from every other."""

from __future__ import annotations

import hashlib
import json

from pibramble import __version__
from pibramble.plan.model import Plan
from pibramble.serialise import plain


def digest(plan: Plan) -> str:
    """Return what is the same for the same plan of the same pibramble, and for no other."""
    return hashlib.sha256(json.dumps([__version__, plain(plan)]).encode()).hexdigest()
