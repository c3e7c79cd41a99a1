"""Sends text to a device and returns what it answers: without the echo, without the prompt."""

from __future__ import annotations

from collections.abc import Sequence

from pibramble.console.conversation import Conversation, is_pager

_QUIET_SECONDS = 0.1
_ANSWER_SECONDS = 0.5
_LONGEST_NOISE_SECONDS = 2.0


async def leave_pager(talk: Conversation, last_line: str) -> None:
    """End a pager that somebody has left waiting: the first character of what is sent would end it, and be lost."""
    if is_pager(last_line):
        await talk.send("q")
        await talk.hush(_QUIET_SECONDS, _LONGEST_NOISE_SECONDS)


async def wake(talk: Conversation, prompts: Sequence[str], timeout_seconds: float) -> None:
    """Press Enter at a line that has said nothing yet: "Press RETURN to get started", or a log-in that waits for it.

    Where its prompts are known, wait for one: what is typed while a shell starts may be lost. Raises TimedOutError.
    """
    if prompts:
        await talk.send("\n")
        await talk.wait_for_prompt(prompts, timeout_seconds)
    else:
        await press_enter(talk)


async def press_enter(talk: Conversation) -> str:
    """Press Enter, and return the line that the device then waits at."""
    await talk.send("\n")
    return (await talk.hush(_ANSWER_SECONDS, _LONGEST_NOISE_SECONDS)).rsplit("\n", 1)[-1]


async def ask(talk: Conversation, text: str, prompts: Sequence[str], timeout_seconds: float) -> str:
    """Send a line; return the answer when one of the prompts (regular expressions) has come. Raises TimedOutError."""
    await talk.hush(_QUIET_SECONDS, _LONGEST_NOISE_SECONDS)
    await talk.send(f"{text}\n")
    heard = await talk.wait_for_prompt(prompts, timeout_seconds)
    return answer(heard.text, text)


def answer(heard: str, sent: str) -> str:
    """Return what a device said, without the echo of what was sent before it and the prompt after it."""
    lines = heard.split("\n")[:-1]
    echo = sent.strip()
    if lines and lines[0].rstrip().endswith(echo):  # what was typed stands behind the prompt, or alone
        lines = lines[1:]
    return "".join(f"{line.rstrip()}\n" for line in lines)
