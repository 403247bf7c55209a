"""The fixture `s2v_emulator` of the pytest plugin, for a `conftest.py` that names it by hand.

pytest finds the fixture by itself. The plugin is a module beside the package: see there why.
"""

from s2v_detect._version import missing_beside

try:
    from s2v_detect_pytest import s2v_emulator
except ModuleNotFoundError as error:
    if error.name != "pytest":
        raise
    told = missing_beside("The fixture s2v_emulator", "pytest")
    raise ModuleNotFoundError(told, name=error.name) from error

__all__ = ["s2v_emulator"]
