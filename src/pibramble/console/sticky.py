"""What a stream has switched on that lasts: colours, modes, character sets, the saved cursor, tab stops.

Followed sequence by sequence, without knowing where the cursor is. What cannot be known that way makes `may_be_cut`
false, until a reset or a redrawn screen says it outright.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

CLEAR = re.compile(
    rb"\x1b\[(?:1;1|;|1)?[Hf](?:\x1b\[0?m)?\x1b\[[02]?J"  # home, clear: infocmp says so for vt100, linux and xterm
    rb"|\x1b\[2J(?:\x1b\[0?m)?\x1b\[(?:1;1|;|1)?[Hf]"
)

# CSI finals that act on the cursor's own line and leave it there: between them, lines scroll as plain text does.
_ON_ITS_LINE = frozenset(b"CDGIKPXZ@`a")
_MOVES = frozenset(b"ABEFHJLMSTdefbr")  # these reach other lines
_WITHOUT_EFFECT = frozenset(b"cnxt")  # questions to the terminal, and its window

_ORIGIN, _AUTOWRAP, _ALTERNATES = b"?6", b"?7", (b"?47", b"?1047", b"?1049")
_SAVES_CURSOR = (b"?1048", b"?1049")
_RESETTING = (b"?3", b"?40")  # 132 columns, and whether they are allowed: clear the screen here and not there

_INITIALLY_SET = frozenset({_AUTOWRAP, b"?25", b"?8", b"?12"})

_FOREGROUND, _BACKGROUND, _UNDERLINE_COLOUR = b"3", b"4", b"5"
_ENDS = {b"22": (b"1", b"2"), b"23": (b"3",), b"24": (b"4", b"21"), b"25": (b"5", b"6"), b"27": (b"7",), b"28": (b"8",)}
_ENDS |= {b"29": (b"9",), b"39": (b"fg",), b"49": (b"bg",), b"59": (b"ul",), b"55": (b"53",)}


@attrs.frozen
class Rendition:
    """How characters look: the graphic rendition, as the parameters of one SGR each."""

    parts: tuple[tuple[bytes, bytes], ...] = ()  # what it is about, and the parameters

    def sequence(self) -> bytes:
        """Return the sequence that sets exactly this."""
        return b"\x1b[" + b";".join((b"0", *(parameters for _, parameters in self.parts))) + b"m" if self.parts else b""

    def after(self, parameters: bytes) -> Rendition:
        """Return the rendition after an SGR with these parameters."""
        parts = dict(self.parts)
        words = iter(parameters.split(b";"))
        for word in words:
            code = word.lstrip(b"0")
            if not code:
                parts.clear()
            elif code in _ENDS:
                for gone in _ENDS[code]:
                    parts.pop(gone, None)
            elif code in {b"38", b"48", b"58"}:
                about = {b"38": b"fg", b"48": b"bg", b"58": b"ul"}[code]
                parts[about] = b";".join((code, *_colour(words)))
            elif code.startswith((b"38:", b"48:", b"58:")):
                parts[{b"3": b"fg", b"4": b"bg", b"5": b"ul"}[code[:1]]] = code
            elif re.fullmatch(rb"3[0-7]|9[0-7]", code):
                parts[b"fg"] = code
            elif re.fullmatch(rb"4[0-7]|10[0-7]", code):
                parts[b"bg"] = code
            else:
                parts[code] = code
        return Rendition(tuple(parts.items()))


def _colour(words: Iterable[bytes]) -> list[bytes]:
    """Take what follows 38, 48 or 58: 5 and an index, or 2 and three shares."""
    rest = iter(words)
    kind = next(rest, b"")
    count = {b"5": 1, b"2": 3}.get(kind, 0)
    return [kind, *(next(rest, b"0") for _ in range(count))]


@attrs.frozen
class Look:
    """What a saved cursor takes along besides its place."""

    rendition: Rendition = attrs.field(factory=Rendition)
    charsets: tuple[tuple[bytes, bytes], ...] = ()  # the slot's intermediate, and the designation
    shift: bytes = b""  # SO, where G1 is in use
    origin: bool = False

    def sequence(self) -> bytes:
        """Return what sets it, from a terminal's first state; the origin mode is the caller's."""
        return self.rendition.sequence() + b"".join(sequence for _, sequence in self.charsets) + self.shift


class Sticky:
    """The lasting state at a point of a stream."""

    def __init__(self) -> None:
        """Begin as after a reset."""
        self._reset()
        self.was_reset = False

    def _reset(self) -> None:
        self._look = Look()
        self._modes: dict[bytes, bool] = {}
        self._wide: dict[bytes, bool] = {}  # of _RESETTING, what is on
        self._margins = False
        self._keypad = b""
        self._shape = b""  # of the cursor, DECSCUSR
        self._saved: tuple[bytes, Look] | None = None  # its place as a CUP, empty where that is unknown; its look
        self._tabs: list[bytes] | None = None  # CUPs to the stops; None: every eight columns
        self._unsure = False
        self._alternate = False
        self._placed = b""  # the CUP right before this point

    @property
    def may_be_cut(self) -> bool:
        """Tell whether a cut here can say all that lasts."""
        unknown_place = self._saved is not None and not self._saved[0]
        return not (self._unsure or unknown_place or self._alternate or self._margins or self._look.origin)

    @property
    def look(self) -> Look:
        """Return how the next character looks."""
        return self._look

    @property
    def saved_look(self) -> Look:
        """Return the look that the saved cursor takes along."""
        return self._saved[1] if self._saved else Look()

    def clears(self, raw: bytes, at: int) -> bool:
        """Tell whether the screen is cleared here and the cursor sent home."""
        return CLEAR.match(raw, at) is not None

    def prologue(self) -> bytes:
        """Return what brings a terminal that was just reset into this state; the cursor ends at home."""
        parts = [stops(self._tabs)] if self._tabs is not None else []
        if self._saved is not None:
            parts.append(saving(*self._saved))
        if parts:
            parts.append(b"\x1b[H")
        return b"".join((*parts, self.lasting()))

    def width(self) -> bytes:
        """Return what sets the screen's width, where it is not 80 columns; it clears the screen."""
        return b"".join(b"\x1b[" + mode + b"h" for mode in reversed(_RESETTING) if self._wide.get(mode))

    def lasting(self) -> bytes:
        """Return what sets the modes and the look; they are as after a reset before it."""
        modes = (b"\x1b[" + mode + (b"h" if on else b"l") for mode, on in self._modes.items())
        return b"".join((*modes, self._keypad, self._shape, self._look.sequence()))

    def take(self, token: re.Match[bytes]) -> bool:
        """Follow one sequence. Tells whether plain lines before it and after it still scroll as one."""
        placed, self._placed = self._placed, b""
        self.was_reset = False
        match token.lastgroup:
            case "final" | "csi":
                return self._csi(token, placed)
            case "escape":
                return self._escape(token["escape"], placed)
            case "control":
                return self._control(token["control"])
            case "osc":
                return True  # titles and palettes are not restored
            case "string":
                return False  # pictures
            case _:
                self._unsure = True
                return False

    def _csi(self, token: re.Match[bytes], placed: bytes) -> bool:  # noqa: C901 (one case for each kind of final)
        final, parameters, between = token["final"][0], token["parameters"], token["intermediates"]
        if between:
            return self._csi_between(between, final, token["csi"], parameters)
        if final == ord("m"):
            if parameters[:1] not in {b">", b"?", b"<", b"="}:
                self._look = attrs.evolve(self._look, rendition=self._look.rendition.after(parameters))
            return True
        if final in b"hl":
            plain = [self._mode(mode, on=final == ord("h")) for mode in _modes(parameters)]
            return all(plain)
        if final in b"Hf":
            self._placed = token["csi"]
        elif final == ord("r"):
            self._margins = parameters not in {b"", b"1;24", b";24", b";"}
        elif final in b"su":
            return self._cursor(save=final == ord("s"), placed=placed) if not parameters else True
        elif final == ord("g"):
            self._set_tabs([] if parameters == b"3" else None)
        elif final in _ON_ITS_LINE or final in _WITHOUT_EFFECT or (final == ord("q") and parameters[:1] == b">"):
            return True
        elif final not in _MOVES:
            self._unsure = True
        return False

    def _csi_between(self, between: bytes, final: int, sequence: bytes, parameters: bytes) -> bool:
        if between == b" " and final == ord("q"):
            self._shape = sequence
            return True
        if (between, final) in {(b"$", ord("p")), (b"*", ord("y")), (b"$", ord("w"))}:  # questions
            return True
        if (between, final) == (b'"', ord("q")) and parameters in {b"", b"0", b"2"}:
            return True
        self._unsure = True  # a soft reset, rectangles: rare on a serial line
        return False

    def _mode(self, mode: bytes, *, on: bool) -> bool:
        if mode in _ALTERNATES:
            self._alternate = on
        if mode in _SAVES_CURSOR:
            if on:
                self._saved = (b"", self._look)
            else:
                self._look = self._saved[1] if self._saved else attrs.evolve(self._look, origin=False)
            return False
        if mode in _ALTERNATES:
            return False
        if mode in _RESETTING:
            self._unsure = True
            self._wide[mode] = on
            return False
        if mode == _ORIGIN:
            self._look = attrs.evolve(self._look, origin=on)
            return False
        if on == (mode in _INITIALLY_SET):
            self._modes.pop(mode, None)
        else:
            self._modes[mode] = on
        return mode != b"?5"

    def _escape(self, sequence: bytes, placed: bytes) -> bool:
        last = sequence[-1:]
        if sequence == b"\x1bc":
            self._reset()
            self.was_reset = True
            return False
        if sequence[1:2] in {b"(", b")", b"*", b"+"}:
            slots = dict(self._look.charsets)
            slots.pop(sequence[1:2], None)
            if sequence != b"\x1b(B":  # terminals begin with ASCII in G0; in G1 some have the line-drawing characters
                slots[sequence[1:2]] = sequence
            self._look = attrs.evolve(self._look, charsets=tuple(slots.items()))
            return True
        match sequence:
            case b"\x1b=":
                self._keypad = sequence
            case b"\x1b>":
                self._keypad = b""
            case b"\x1b7" | b"\x1b8":
                return self._cursor(save=last == b"7", placed=placed)
            case b"\x1bH":
                self._set_tabs([*self._tabs, placed] if placed and self._tabs is not None else None)
            case b"\x1bD" | b"\x1bE" | b"\x1bM" | b"\x1b#8":
                return False
            case b"\x1bZ" | b"\x1b\\":
                pass
            case _:
                self._unsure = True  # locking shifts, double height: rare
                return False
        return True

    def _cursor(self, *, save: bool, placed: bytes) -> bool:
        if save:
            self._saved = (placed, self._look)
        elif self._saved is not None:
            self._look = self._saved[1]
        else:
            self._unsure = True  # terminals differ in what else they do when nothing was saved
            self._look = attrs.evolve(self._look, origin=False)
        return False

    def _control(self, control: bytes) -> bool:
        if control in b"\x0e\x0f":
            self._look = attrs.evolve(self._look, shift=b"\x0e" if control == b"\x0e" else b"")
            return True
        return False  # VT and FF go down a line without scrolling it away

    def _set_tabs(self, tabs: list[bytes] | None) -> None:
        """Set the stops; None: they can no longer be known."""
        self._tabs = tabs
        self._unsure = self._unsure or tabs is None


def saving(place: bytes, look: Look, save: bytes = b"\x1b7") -> bytes:
    """Return what saves a cursor with this look at a place, from a terminal's first look, which it then has again."""
    origin = (b"\x1b[?6h", b"\x1b[?6l") if look.origin else (b"", b"")
    undone = [sequence[:-1] + b"B" for _, sequence in look.charsets]
    undone += [b"\x1b[m"] if look.rendition.parts else []
    return b"".join((look.sequence(), origin[0], place, save, origin[1], *undone, b"\x0f" if look.shift else b""))


def stops(places: Iterable[bytes]) -> bytes:
    """Return what sets tab stops at these places, each a CUP, and nowhere else."""
    return b"".join((b"\x1b[3g", *(place + b"\x1bH" for place in places)))


def _modes(parameters: bytes) -> Iterable[bytes]:
    private = parameters[:1] if parameters[:1] in {b"?", b">", b"="} else b""
    return [private + mode for mode in parameters.removeprefix(private).split(b";")]
