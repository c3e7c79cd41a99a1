"""What holds for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A property is not judged by how busy the machine is: with others at work on it, examples take longer to make and to
# try than Hypothesis allows by default.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
