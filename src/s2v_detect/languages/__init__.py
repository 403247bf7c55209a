"""What a person reads, in any of our languages: English in the code, gettext for the others.

Here are the languages that there are, the choice of one, and the look-up of a sentence. Whoever
shows a sentence marks it with `_`, or with `N_` where it stands in a table and is looked up as it
is shown; names in braces are put in afterwards. This room knows no command, no page and no image.
What the library raises and logs stays English, for programs, logs and searches hold on to it; what
the rooms of lists and files (`tables`, `bulk`) refuse is read by whoever typed the command.

The sentences of `zh.po` are kept and compiled by `.ci/catalogue.py`; a test fails when one has no
translation, or another one than was compiled.
"""

from s2v_detect.languages._catalogues import (
    LANGUAGES,
    N_,
    Language,
    _,
    language_of,
    needs_extra,
    ngettext,
    pgettext,
    speaking,
    spoken,
)
from s2v_detect.languages._system import why

__all__ = [
    "LANGUAGES",
    "N_",
    "Language",
    "_",
    "language_of",
    "needs_extra",
    "ngettext",
    "pgettext",
    "speaking",
    "spoken",
    "why",
]
