"""Lists in other encodings, as UTF-8.

**Theory.** A mark of Unicode at the file's beginning is believed, and a mark of UTF-8 at the
beginning of any line: another file was joined there. Without a mark, bytes are UTF-8 as long as
they are ASCII. The first piece that is not ASCII decides: what is valid UTF-8 is never taken for
anything else, and a piece with more valid cells than invalid ones is UTF-8 with faulty lines. Any
other piece is guessed, and a guess is either sure or not made: its lines are then faulty rows that
name what they may be, and a header among them ends the run before anything is asked.

The guess is chardet's. Seen on 66 lists of one row and 66 of 200 rows, in eight languages and the
encodings that spreadsheets save there: charset-normalizer 3.5 was wrong about 41 and 12, chardet
7.7 about 13 and 6, and chardet with the two rules below about none; it asks about 37 and 12. A
guess must be a few times better than the next one that reads differently, and a few letters are no
proof of an encoding that gives any byte a meaning. Where the language that is spoken has an
encoding of its own, that one need only be the best: a list mostly comes from its reader's country.
So GB18030 was taken for none of 286 lists in nine other encodings, but for most of 80 in EUC-JP
without kana. What was guessed is told, and an address in ASCII is the same in all of them.
"""

import codecs
import difflib
import encodings.aliases
import re
from contextlib import suppress
from typing import NamedTuple

from s2v_detect.languages import Language, _, spoken
from s2v_detect.tables._reading import UNREADABLE
from s2v_detect.tables._row_faults import Undecoded
from s2v_detect.tables._rows import InputError

_GUESSED = (
    *("gb18030", "big5hkscs", "cp932", "euc-jp", "cp949"),
    *("windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "koi8-r"),
)
"""What spreadsheets and editors save by themselves, somewhere."""
_OF_LANGUAGE: dict[Language, str] = {"zh": "gb18030"}
"""What spreadsheets save where a language is spoken, if that is one encoding."""
_BETTER = 2.5
_SINGLE_BYTE_BETTER = 3.0
_SINGLE_BYTE_LETTERS = 12
_MOST_SHOWN = 3
_MARKED_LINE = re.compile(rb"([\r\n])\xef\xbb\xbf")
_HALF_MARK = re.compile(rb"[\r\n](\xef|\xef\xbb)\Z")
_NO_WRITING = re.compile("[\x7f-\x9f\ue000-\uf8ff]")
"""Characters of control and of private use: what a byte comes to that has no meaning."""
_CELLS = re.compile(rb"[^\r\n,;\t]*[\x80-\xff][^\r\n,;\t]*")

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030"}
"""What is called by the first name is written in the second."""
_KNOWN_AS = {"euc_jis_2004": "euc-jp", "shift_jis_2004": "shift-jis"}
"""What chardet's names come to in Python, and what their users call them."""
_NO_TEXT = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "utf_7", "hz"}
"""Codecs of Python that no list is saved in."""

codecs.register_error(
    "s2v_detect.unreadable",
    lambda error: (UNREADABLE.decode(errors="surrogatepass"), error.end),  # type: ignore[attr-defined]  # every UnicodeError of a decoder has it
)


def encoding_named(name: str) -> str:
    """Return Python's name of an encoding. Raises `InputError` for what is none.

    Example:
        >>> encoding_named("GBK"), encoding_named("UTF8")
        ('gb18030', 'utf-8')
    """
    if _is_text(name):
        found = codecs.lookup(name).name
        return _SUPERSETS.get(found, found)
    names = {*encodings.aliases.aliases, *encodings.aliases.aliases.values()}
    close = difflib.get_close_matches(
        name.lower().replace("-", "_"), sorted(filter(_is_text, names)), 3
    )
    meant = ", ".join(each.replace("_", "-") for each in close or ("utf-8", "gb18030", "utf-16"))
    told = _("There is no encoding {name!r}. Give --encoding another name, such as {meant}.")
    raise InputError(told.format(name=name, meant=meant))


def _is_text(name: str) -> bool:
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return False
    is_text: bool = found._is_text_encoding  # noqa: SLF001  # nothing else tells a text's codec from that of base64
    return is_text and found.name.replace("-", "_") not in _NO_TEXT


def undecoded_header(line: int, fault: Undecoded) -> str:
    """Return what is said of a header that can't be decoded."""
    told = _(
        "The header, line {line} of the input, is no {encoding} text. Mend that line, or give the"
        " input's encoding with --encoding."
    )
    if fault.likely:
        told = _(
            "The header, line {line} of the input, is no {encoding} text. The input may be in"
            " {names}: give --encoding with the name."
        )
    return told.format(line=line, encoding=fault.encoding, names=_(" or ").join(fault.likely))


class Decoding:
    """What a list is encoded in, and its pieces as UTF-8.

    `head` is its first piece, of at least a line where there is one.
    """

    def __init__(self, head: bytes, encoding: str | None) -> None:
        marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
        if not marked and not encoding:
            _refuse_unmarked_utf_16(head)
        self.name = marked or encoding or "utf-8"
        self.is_plain = self.name == "utf-8"
        """Whether nothing but the plain default was found."""
        self.called = "UTF-8"
        """The name by which `--encoding` and the reader know it."""
        self.fault = Undecoded.of("UTF-8")
        """Of a line that can't be decoded."""
        self._is_open = not (marked or encoding)
        self._line_end = b""
        self._half_mark = b""
        self._decode_with(self.name)

    def feed(self, piece: bytes, *, is_last: bool = False) -> bytes:
        """Return a piece as UTF-8, `UNREADABLE` where it is not in this encoding."""
        if self._is_open and not piece.isascii():
            self._decide(piece)
        if self._decoder is None:
            return piece
        rest = b""
        if self.counts_by_bytes:
            piece, rest = self._before_mark(piece, is_last=is_last)
        text = self._decoder.decode(piece, is_last or bool(rest)).encode(errors="surrogatepass")
        if rest:
            self._decode_with("utf-8")
        return text + rest

    def _before_mark(self, piece: bytes, *, is_last: bool) -> tuple[bytes, bytes]:
        """Return a piece up to a mark of UTF-8 at a line's beginning, and the rest from there.

        Half a mark at the piece's end is held back for the next piece.
        """
        lines = self._line_end + self._half_mark + piece
        found = _MARKED_LINE.search(lines)
        cut = found.end(1) if found else len(lines)
        half = None if found or is_last else _HALF_MARK.search(lines)
        self._half_mark = half[1] if half else b""
        before = lines[: cut - len(self._half_mark)]
        skipped = len(self._line_end)
        self._line_end = before[-1:] if before[-1:] in (b"\n", b"\r") else b""
        return before[skipped:], lines[cut:]

    def _decide(self, piece: bytes) -> None:
        self._is_open = False
        if _is_mostly_utf_8(piece):
            return
        whole = piece[: max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1]
        sample = b"\n".join(_CELLS.findall(whole) or _CELLS.findall(piece))
        likely = _likely(sample)
        usual = _OF_LANGUAGE.get(spoken())
        if likely and (likely[0].is_sure or likely[0].name == usual):
            self.name = likely[0].name
            self.is_plain = False
            self._decode_with(self.name)
        elif likely:
            names = dict.fromkeys(_called(each.name) for each in likely[:_MOST_SHOWN])
            self.fault = Undecoded.of(self.fault.encoding, tuple(names))

    def _decode_with(self, name: str) -> None:
        self._decoder = None
        if name != "utf-8":
            self._decoder = codecs.getincrementaldecoder(name)("s2v_detect.unreadable")
            self.called = _called(name)
            self.fault = Undecoded.of(self.called)

    @property
    def counts_by_bytes(self) -> bool:
        """Whether the end of a line is the same byte as in ASCII."""
        return not self.name.startswith(("utf-16", "utf-32"))


def _called(name: str) -> str:
    return _KNOWN_AS.get(name, name).replace("_", "-")


class _Guess(NamedTuple):
    name: str
    is_sure: bool


def _is_mostly_utf_8(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return True  # the piece was cut there
    else:
        return True
    valid = invalid = 0
    for cell in _CELLS.findall(piece):
        try:
            cell.decode()
        except UnicodeDecodeError:
            invalid += 1
        else:
            valid += 1
    return valid > invalid


def _likely(sample: bytes) -> list[_Guess]:
    """Return what reads the whole sample, the best first; of two that read the same, the better.

    A reading that takes the first letter of an address for half a character is none.
    """
    import chardet  # noqa: PLC0415  # of the extra `cli`, and 60 ms

    found: dict[str, tuple[str, float]] = {}
    for each in chardet.detect_all(sample, ignore_threshold=True, include_encodings=_GUESSED):
        name = codecs.lookup(each["encoding"] or "ascii").name
        with suppress(UnicodeDecodeError):
            text = sample.decode(name)
            if not _NO_WRITING.search(text) and text.count("http") == sample.count(b"http"):
                found.setdefault(text, (name, each["confidence"]))
    ranked = list(found.values())
    scores = [score for _, score in ranked] + [0.0]
    guesses = []
    for (name, score), following in zip(ranked, scores[1:], strict=True):
        is_single_byte = name.startswith(("cp125", "koi8"))
        better = _SINGLE_BYTE_BETTER if is_single_byte else _BETTER
        letters = sum(byte > 0x7F for byte in sample)  # noqa: PLR2004  # what is not ASCII
        is_enough = not is_single_byte or letters >= _SINGLE_BYTE_LETTERS
        guesses.append(_Guess(name, is_enough and score > better * following))
    return guesses


def _refuse_unmarked_utf_16(head: bytes) -> None:
    """Raise `InputError` where each second byte of text is zero, and no mark says which."""
    even, odd = head[:1000:2], head[1:1000:2]
    zeros = even.count(0), odd.count(0)
    if max(zeros) * 2 > len(odd) > 1 and min(zeros) * 4 < max(zeros):
        name = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        told = _(
            "The input looks like UTF-16, and has no mark that says so. Give --encoding {name}."
        )
        raise InputError(told.format(name=name))
