"""What holds for all tests."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# A property is not judged by how busy the machine is: with others at work on it, examples take longer to make and to
# try than Hypothesis allows by default.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# What a shell starts in the background ignores Ctrl-C, and hands that down: tests that interrupt a command would wait
# in vain.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)
