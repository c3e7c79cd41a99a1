"""Opens the head's own connections to the nodes: a shell script that runs there, and what it prints.

They are the masters that the head's ssh_config shares among all who use ssh there, hydra too.
"""

from __future__ import annotations

from pibramble.files.ssh import CONTROL_FOLDER

# ssh -f stays behind as the connection's master; -E keeps what it has to say away from the pipe that our caller reads.
_SCRIPT = """\
cd {folder} || exit 1
for node; do
    ({unless_open}: >"$node.log"
     ssh -fN -E "$node.log" "$node" </dev/null >/dev/null 2>&1 ||
         printf '%s\\t%s\\n' "$node" "$(tail -n 1 "$node.log")") &
done
wait
"""


def script(*, unless_open: bool) -> str:
    """Return the script; its arguments are the nodes, and it prints `NODE<tab>reason` for each that would not open.

    `unless_open`: those that are open already stay. Costs an ssh a node, so callers that know better leave it out.
    """
    check = 'ssh -O check "$node" 2>/dev/null && exit 0\n     ' if unless_open else ""
    return _SCRIPT.format(folder=CONTROL_FOLDER, unless_open=check)


def reasons(said: str) -> dict[str, str]:
    """Return node -> reason from what the script printed."""
    pairs = (line.partition("\t") for line in said.splitlines())
    return {node: reason.strip() for node, tab, reason in pairs if tab}
