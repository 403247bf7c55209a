"""Keep the catalogues of other languages: `uv run python .ci/catalogue.py`.

Takes the marked sentences out of `src`, puts new ones into each catalogue without a translation,
drops those that nothing says any more, and compiles what there is. A test has what is wanting.
"""

import io
from collections.abc import Iterable
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import s2v_detect.languages

FOLDER = Path(s2v_detect.languages.__file__).parent
SOURCE = FOLDER.parent
LANGUAGES = [language for language in s2v_detect.languages.LANGUAGES if language != "en"]


class _Plain(Catalog):
    """One that is compiled to the same bytes on every day, by every Babel."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        content = ("Content-Type", f"text/plain; charset={self.charset}")
        return [content, ("Plural-Forms", self.plural_forms)]


def marked() -> Catalog:
    """Return the sentences that the source marks, and the modules that say each."""
    catalog = Catalog(project="s2v-detect", charset="utf-8")
    for name, _line, message, comments, context in extract_from_dir(
        SOURCE, method_map=[("**.py", "python")], comment_tags=("For translators:",)
    ):
        # Without lines: those change with every edit of a module.
        catalog.add(message, locations=[(name, 0)], auto_comments=comments, context=context)
    return catalog


def kept(language: str) -> Catalog:
    """Return a catalogue as it is kept, with the sentences of the source as they are now."""
    path = FOLDER / f"{language}.po"
    with path.open("rb") if path.exists() else io.BytesIO() as file:
        catalog = read_po(file, locale=language)
    catalog.update(marked(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    return catalog


def source_of(catalog: Catalog) -> bytes:
    """Return the text of a catalogue."""
    file = io.BytesIO()
    write_po(file, catalog, width=100, sort_by_file=True, include_lineno=False, omit_header=True)
    header = _HEADER.format(language=catalog.locale, plural_forms=catalog.plural_forms)
    return header.encode() + file.getvalue()


def compiled(catalog: Catalog) -> bytes:
    """Return what gettext reads."""
    file, plain = io.BytesIO(), _Plain(catalog.locale, charset="utf-8")
    for message in catalog:
        if message.id:
            plain[message.id] = message
    write_mo(file, plain)
    return file.getvalue()


def wanting(catalog: Catalog) -> list[str]:
    """Return what a catalogue has no translation for, or one that can't be filled in."""
    said: Iterable[Message] = (message for message in catalog if message.id)
    return [repr(message.id) for message in said if not _is_whole(message)]


def _is_whole(message: Message) -> bool:
    texts = message.string if isinstance(message.string, tuple) else (message.string,)
    return all(texts)


_HEADER = """\
# The sentences of s2v-detect in another language, kept by .ci/catalogue.py.
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural_forms}\\n"

"""


def main() -> None:
    """Write each catalogue anew, and say what is wanting."""
    for language in LANGUAGES:
        catalog = kept(language)
        (FOLDER / f"{language}.po").write_bytes(source_of(catalog))
        (FOLDER / f"{language}.mo").write_bytes(compiled(catalog))
        missing = wanting(catalog)
        print(f"{language}: {len(catalog)} sentences, {len(missing)} without a translation")
        for message in missing:
            print(f"  {message}")


if __name__ == "__main__":
    main()
