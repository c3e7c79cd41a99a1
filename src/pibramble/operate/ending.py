"""How a command that runs on a node is ended, with all that it has started.

Without a terminal, sshd ends nothing when the connection's channel closes, and the multiplexing protocol carries no
signals. So every command gets a label in its environment, which costs the node nothing; what carries the label is
looked up in /proc when it has to end. Names of programs play no part in it.
"""

from __future__ import annotations

import os
import shlex


def with_label(script: str) -> str:
    """Return the script as one that reads `$label` first; it ends with 2 where no label comes.

    From standard input, so that the label never stands on the script's own command line. The line must be whole: where
    the session was closed before it came, `read` leaves the empty word, and that is in every process of the node.
    """
    return f"""{{ read -r label && [ -n "$label" ]; }} || exit 2{script}"""


# A process belongs to the label when its environment or its command line (a shell that has not exec'ed) holds it, or
# when its session's leader does: that finds what has cleaned its environment. A session whose leader is not labelled
# may be a person's own shell, and is left alone.
# TERM first; KILL after five seconds, for a copy tidies up at TERM.
# Exit code 1: something is still there; 2: the order did not arrive.
_SCRIPT = with_label(r"""
find_them() {
  pids=' ' leaders=' '
  for file in $(printf '%s\n' "$label" | grep -lasF -f - /proc/[0-9]*/environ /proc/[0-9]*/cmdline); do
    pid=${file#/proc/} pid=${pid%%/*}
    pids="$pids$pid "
    { read -r stat < /proc/$pid/stat; } 2>/dev/null || continue
    set -- ${stat##*) }
    [ "$4" = "$pid" ] && leaders="$leaders$pid "
  done
  found=
  for file in /proc/[0-9]*/stat; do
    { read -r stat < $file; } 2>/dev/null || continue
    pid=${stat%% *}
    set -- ${stat##*) }
    [ "$1" = Z ] && continue
    case "$pids" in *" $pid "*) found="$found $pid"; continue ;; esac
    case "$leaders" in *" $4 "*) found="$found $pid" ;; esac
  done
  [ -n "$found" ]
}
some_left() {
  for pid in $found; do
    { read -r stat < /proc/$pid/stat; } 2>/dev/null || continue
    set -- ${stat##*) }
    [ "$1" = Z ] || return 0
  done
  return 1
}
clock() { read -r now rest < /proc/uptime; now=${now%.*}; }
find_them || exit 0
kill -TERM $found 2>/dev/null
kill -CONT $found 2>/dev/null
clock
patience=$((now + 5))
while :; do
  sleep 0.1
  clock
  [ $now -lt $patience ] && some_left && continue
  find_them || exit 0
  [ $now -lt $((patience + 4)) ] || exit 1
  if [ $now -lt $patience ]; then signal=TERM; else signal=KILL; fi
  kill -$signal $found 2>/dev/null
done
""")

# What to run on a node to end all that carries a label; it reads `order(label)`. As root where the account may become
# it: what runs under sudo hides its environment from everybody else.
END_SCRIPT = f"""\
as_root=; if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then as_root='sudo -n'; fi
exec $as_root sh -c {shlex.quote(_SCRIPT)}"""


def new_label() -> str:
    """Return a label (`NAME=VALUE`) that no other command has."""
    return f"PIBRAMBLE_EXEC={os.urandom(8).hex()}"


def labelled(command: str, label: str) -> str:
    """Return the command as the node's shell gets it: everything that it starts carries the label."""
    return f"export {label}; {command}"


def order(label: str) -> bytes:
    """Return what END_SCRIPT has to read."""
    return label.encode() + b"\n"
