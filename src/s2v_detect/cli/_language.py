"""The language in which the command speaks where nobody says one: that of its surroundings."""

import os
import sys
from locale import windows_locale

from s2v_detect.languages import Language, language_of


def usual_language() -> Language:
    """Return the language of the environment, or else of Windows, which has it elsewhere."""
    return language_of({"LANG": _of_the_system(), **os.environ})


def _of_the_system() -> str:
    if sys.platform != "win32":
        return ""
    import ctypes  # noqa: PLC0415  # not needed on any other system

    return windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")
