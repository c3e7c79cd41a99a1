"""Runs a hot button: its steps, one after the other, on a line."""

from __future__ import annotations

from pibramble.console.conversation import Conversation, LineWire
from pibramble.console.line import Line, Viewer
from pibramble.console.model import Break, Button, Confirm, Send, WaitFor
from pibramble.errors import PibrambleError, TimedOutError


class DeclinedError(PibrambleError):
    """The person said no to a button's question."""


async def run(line: Line, viewer: Viewer, button: Button) -> None:
    """Run the steps. Raises DeclinedError, TimedOutError, and what `Line.write` and `Line.send_break` raise.

    What a step waits for may have come while the step before it was still at work: the steps listen from the beginning.
    """
    with line.subscribe() as ear:
        talk = Conversation(LineWire(line, viewer, ear), line.profile.enter)
        for number, step in enumerate(button.steps, start=1):
            match step:
                case Send():
                    await talk.send(step.text)
                case WaitFor():
                    try:
                        await talk.wait_for(step.pattern, step.timeout_seconds)
                    except TimedOutError as error:
                        where = f"{button.label}, step {number} of {len(button.steps)}: "
                        raise TimedOutError(where + error.message, hint=error.hint) from None
                case Break():
                    await line.send_break(viewer, step.seconds)
                case Confirm():
                    if not await viewer.ask(step.question):
                        raise DeclinedError(f"{button.label}: not done")
