"""What is wrong with a text that is no TOML, in words, at its place, and with a cure that was tried out.

tomllib stops at the first error. A cure is offered only when the text, changed that way, gets past the place.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator

import attrs

from pibramble.spec.locate import Lines, Path, locate
from pibramble.spec.structure import SECTIONS, keys_of


@attrs.frozen
class SyntaxFinding:
    """A syntax error: line and column count from 1, `width` is the length of the stretch that is wrong."""

    line: int
    column: int
    width: int
    message: str
    cure: str


_AT_PLACE = re.compile(
    r"(?P<message>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL
)
# Only a line that begins with one of them may have lost its equals sign; any other is prose.
KEYS = frozenset(key for section in SECTIONS.values() for key in keys_of(section))

_SIGN = re.compile(r"[=:]")
_QUOTES = str.maketrans(dict.fromkeys("\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb", '"'))
_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false", "none": "", "null": "", "nil": ""}


@attrs.frozen
class _Repair:
    line: str
    words: str = "write {}"  # how the repaired line is offered
    message: str = ""  # what was wrong, where the repair knows better than tomllib
    culprit: str = ""  # the stretch of the line that was wrong, likewise


def explain(text: str, error: tomllib.TOMLDecodeError) -> SyntaxFinding:
    """Return what is wrong, where, and what to do."""
    message, line, column = place_of(text, error)
    found = _repetition(text, line, message) or _unclosed_above(text, line) or _repaired(text, line, column, message)
    if found:
        return found
    content = Lines(text).content(line)
    width = max(1, len(content.rstrip()) - column + 1)
    return SyntaxFinding(line, column, width, _in_words(message, content, column), _last_resort(message, content))


def place_of(text: str, error: tomllib.TOMLDecodeError) -> tuple[str, int, int]:
    """Return tomllib's message, line and column; up to Python 3.13 they stand in the text of the error only."""
    if hasattr(error, "lineno"):
        return str(getattr(error, "msg", error)), int(error.lineno), int(getattr(error, "colno", 1))
    found = _AT_PLACE.fullmatch(str(error))
    if not found:
        return str(error), 1, 1
    if found["line"]:
        return found["message"], int(found["line"]), int(found["column"])
    end = len(text.rstrip())
    return found["message"], *Lines(text).place(end)


def _in_words(message: str, content: str, column: int) -> str:
    """Say in everyday words what tomllib says in those of a grammar."""
    rest = _short(content[column - 1 :])
    words = {
        "Expected '=' after a key": "a key needs `=` and a value after it",
        "Invalid value": f"`{rest}` is no value" if rest else "the value is missing",
        "Expected newline or end of document": f"`{rest}` is too much on this line",
        "Unterminated string": "a quote is opened and not closed",
        "Illegal character '\\n'": "a quote is opened and not closed",
        'Expected "\'"': "a quote is opened and not closed",
        "Unclosed array": "a bracket is opened and not closed",
        "Unclosed inline table": "a bracket is opened and not closed",
        "Invalid statement": f"`{_short(content)}` is neither `key = value` nor a [section]",
        "Expected ']": "a section's name is not closed with its bracket",
    }
    otherwise = message[:1].lower() + message[1:]
    return next((said for begin, said in words.items() if message.startswith(begin)), otherwise)


def _last_resort(message: str, content: str) -> str:
    word = content.split(maxsplit=1)[0] if content.strip() else ""
    if message.startswith("Expected '=' after a key") and word in KEYS:
        return f'write {word} = "..."'
    if message.startswith(("Expected '=' after a key", "Invalid statement")):
        return "the cluster file is TOML; `pibramble new` writes one to start from"
    return "take it out" if message.startswith("Illegal character") else ""


def _short(text: str) -> str:
    longest = 30
    text = text.strip()
    return text if len(text) <= longest else text[: longest - 3] + "..."


# --- Something stands there twice -----------------------------------------------------------------------------------


def _repetition(text: str, line: int, message: str) -> SyntaxFinding | None:
    """Name the first of two equal keys or sections. What stands above the second is sound TOML."""
    if not message.startswith(("Cannot overwrite", "Cannot declare", "Duplicate inline", "Cannot mutate")):
        return None
    content = Lines(text).content(line)
    above = "\n".join(text.split("\n")[: line - 1]) + "\n"
    try:
        places = locate(above)
        added = locate(f"{content}\n")
    except (ValueError, IndexError):  # the statement began on an earlier line
        return None
    path, span = next(((path, place.key) for path, place in reversed([*added.items()]) if place.key), ((), None))
    is_header = content.lstrip().startswith("[")
    table = () if is_header else _last_table(above)
    first = places.get((*table, *path)) or places.get(tuple(key for key in path if isinstance(key, str)))
    if span is None or first is None or first.key is None:
        return None
    first_line, _ = Lines(above).place(first.key.start)
    name = ".".join(str(key) for key in path if isinstance(key, str))
    if not is_header:
        message, cure = f"`{name}` stands here twice", f"it stands on line {first_line} already: keep one of them"
    elif name == "workers":
        message, cure = "[workers] is there twice", "every group of workers is a [[workers]], with double brackets"
    else:
        message, cure = f"[{name}] is there twice", f"it begins on line {first_line}: move these keys there"
    return SyntaxFinding(line, span.start + 1, span.end - span.start, message, cure)


def _last_table(text: str) -> Path:
    """Return the path of the table that a key after `text` would belong to."""
    probe = "pibramble-probe"
    return next(path[:-1] for path in reversed([*locate(f"{text}\n{probe} = 0\n")]) if path[-1] == probe)


# --- Cures ----------------------------------------------------------------------------------------------------------


def _repaired(text: str, line: int, column: int, message: str) -> SyntaxFinding | None:
    """Return the first repair of the line that gets the parser past it."""
    content = Lines(text).content(line)
    for repair in _repairs(content):
        if repair.line != content and _gets_past(text, line, repair.line):
            said = repair.message or _in_words(message, content, column)
            start = content.rfind(repair.culprit) if repair.culprit else column - 1
            width = len(repair.culprit) or max(1, len(content.rstrip()) - start)
            return SyntaxFinding(line, start + 1, width, said, repair.words.format(repair.line.strip()))
    return None


def _unclosed_above(text: str, line: int) -> SyntaxFinding | None:
    """Look for a list that a line above opens; the parser notices only further down."""
    lines = Lines(text)
    for number in range(line - 1, 0, -1):
        content = lines.content(number)
        code, comment = _without_comment(content)
        if re.search(r"=\s*\[[^\]]*$", code) and _gets_past(text, number, f"{code}]{comment}", at_least=line):
            column = content.index("[", content.index("=")) + 1
            message = "a bracket is opened and not closed"
            return SyntaxFinding(
                number, column, len(code.lstrip()) - code.lstrip().index("["), message, f"write {code}]"
            )
        if code.startswith("["):
            break
    return None


def _gets_past(text: str, line: int, repaired: str, at_least: int = 0) -> bool:
    lines = text.split("\n")
    lines[line - 1] = repaired
    changed = "\n".join(lines)
    try:
        tomllib.loads(changed)
    except tomllib.TOMLDecodeError as error:
        _, reached, _ = place_of(changed, error)
        return reached > max(line, at_least)
    return True


def _repairs(content: str) -> Iterator[_Repair]:
    """Yield changed lines, the likeliest slip first."""
    yield _Repair(content.translate(_QUOTES), "write plain quotes: {}", "these are a book's quotes, not a keyboard's")
    code, comment = _without_comment(content)
    if code.startswith("["):
        yield _Repair(_header(code.strip("[] "), double=code.startswith("[[")) + comment)
        return
    sign = _SIGN.search(code)
    key, value = (code[: sign.start()], code[sign.end() :]) if sign else code.partition(" ")[::2]
    key, value = key.strip(), value.strip()
    if not key or (not sign and key not in KEYS):
        return
    if not value and code.endswith(":"):
        yield _Repair(_header(key), message=f"`{key}:` is YAML's way; here a section's name stands in brackets")
        return
    for repaired in _value_repairs(value):
        yield _Repair(f"{key} = {repaired}{comment}")
    bare = value.strip("\"'")
    if value.startswith("["):
        yield _Repair(f"{key} = {_quoted_list(value)}{comment}", message="texts stand in quotes", culprit=value)
    elif bare and not value.startswith("{") and " = " not in value:
        unquoted = not value.startswith(("'", '"'))
        message, culprit = ("a text stands in quotes", value) if unquoted else ("", "")
        yield _Repair(f'{key} = "{bare}"{comment}', message=message, culprit=culprit)
    yield _Repair(f'"{key}" = {value}{comment}')


def _header(name: str, *, double: bool = False) -> str:
    return f"[[{name}]]" if double or name == "workers" else f"[{name}]"


def _value_repairs(value: str) -> Iterator[str]:
    word = value.lower()
    tries: list[Callable[[], str]] = [
        lambda: value,  # `:` for `=`, or no sign at all
        lambda: word if word in {"true", "false"} else "",
        lambda: _WORDS.get(word, ""),
        lambda: re.sub(r"(?<=\d),(?=\d)", "_", value) if re.fullmatch(r"[\d,]+", value) else "",
        lambda: value.lstrip("0") if value.isdigit() else "",
        lambda: value + value[0] if value[:1] in {'"', "'"} and value.count(value[0]) == 1 else "",
        lambda: f'"{value}' if value.endswith('"') and value.count('"') == 1 else "",
        lambda: f"{value}]" if value.startswith("[") and "]" not in value else "",
        lambda: "'" + value.strip('"') + "'" if "\\" in value else "",
    ]
    yield from filter(None, (attempt() for attempt in tries))


def _quoted_list(value: str) -> str:
    items = [item.strip(" \"'") for item in value.strip("[] ").split(",")]
    return "[" + ", ".join(f'"{item}"' for item in items if item) + "]"


def _without_comment(content: str) -> tuple[str, str]:
    """Split off a comment; a line that is no TOML cannot tell `#` in a text for sure, so an odd quote keeps it."""
    code, sign, comment = content.partition("#")
    if not sign or code.count('"') % 2:
        return content.strip(), ""
    return code.strip(), f"  # {comment.strip()}"
