"""Whether this machine can run programs of another architecture, as the building of a base has to."""

from __future__ import annotations

import shutil
from pathlib import Path

from pibramble import proc
from pibramble.errors import MissingError

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_INTERPRETERS = {"armel": "qemu-arm", "armhf": "qemu-arm", "arm64": "qemu-aarch64"}
_PACKAGES = "qemu-user-static binfmt-support"


def check(architecture: str) -> None:
    """Return when programs of `architecture` (Debian's name) run here, by themselves or emulated.

    Raises MissingError that says what to install or to switch on.
    """
    if shutil.which("arch-test", path=proc.system_path()) is None:
        raise _missing(architecture, "arch-test is not installed", f"sudo apt-get install arch-test {_PACKAGES}")
    # arch-test runs a tiny program of that architecture: more than any list can say.
    if proc.run(["arch-test", architecture], check=False).returncode == 0:
        return
    emulator = _INTERPRETERS.get(architecture, f"qemu-{architecture}")
    if not any(shutil.which(f"{emulator}{kind}", path=proc.system_path()) for kind in ("-static", "")):
        raise _missing(architecture, f"{emulator} is not installed", f"sudo apt-get install {_PACKAGES}")
    if not (_BINFMT / "register").exists():
        mount = f"sudo mount -t binfmt_misc binfmt_misc {_BINFMT}"
        raise _missing(
            architecture,
            f"the kernel is not told which programs {emulator} runs (binfmt_misc is not mounted)",
            f"{mount} && sudo update-binfmts --enable",
        )
    raise _missing(
        architecture,
        f"the kernel does not give such programs to {emulator}",
        f"sudo update-binfmts --enable {emulator}",
    )


def _missing(architecture: str, why: str, cure: str) -> MissingError:
    return MissingError(f"this machine cannot run programs for {architecture}: {why}", hint=cure)
