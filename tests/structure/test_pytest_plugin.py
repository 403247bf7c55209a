"""The pytest plugin costs others nothing: pytest loads it at every start, in every project."""

import ast
import subprocess
import sys
from importlib.metadata import entry_points

import s2v_detect_pytest
from s2v_detect import testing

LOADED = """
import sys, pytest
before = set(sys.modules)
from importlib.metadata import entry_points
(plugin,) = entry_points(group="pytest11", name="s2v_detect")
assert hasattr(plugin.load(), "s2v_emulator")
print(sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_loading_the_plugin_loads_neither_the_package_nor_what_it_stands_on() -> None:
    """Beyond pytest itself, the standard library and the one module."""
    done = subprocess.run(  # noqa: S603  # our own line
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    loaded = set(ast.literal_eval(done.stdout)) - set(sys.stdlib_module_names)
    assert loaded == {"s2v_detect_pytest"}


def test_the_fixture_is_also_where_it_has_always_been() -> None:
    """`from s2v_detect.testing import s2v_emulator`; and pytest finds one plugin, not two."""
    assert testing.s2v_emulator is s2v_detect_pytest.s2v_emulator
    plugins = [plugin for plugin in entry_points(group="pytest11") if "s2v" in plugin.value]
    assert [plugin.value for plugin in plugins] == ["s2v_detect_pytest"]


def test_the_fixture_without_pytest_says_what_installs_it() -> None:
    """It is in no extra: who writes tests has it."""
    script = "import sys; sys.modules['pytest'] = None; import s2v_detect.testing"
    done = subprocess.run(  # noqa: S603  # our own line
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: The fixture s2v_emulator needs pytest. Install it")
    assert last.endswith("pip install pytest")
