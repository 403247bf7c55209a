"""The fixture `s2v_emulator` of the pytest plugin, for a `conftest.py` that names it by hand.

pytest finds the fixture by itself. The plugin is a module beside the package: see there why.
"""

from s2v_detect_pytest import s2v_emulator

__all__ = ["s2v_emulator"]
