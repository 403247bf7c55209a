"""A ledger that was used before a fork: the child opens it anew, the parent may die."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from s2v_detect import Ledger

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")


def told(script: str, path: Path) -> str:
    """What a script of its own process says."""
    done = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, "-c", textwrap.dedent(script), str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_a_child_reads_and_begins_by_itself(tmp_path: Path) -> None:
    """The same object, while the parent's threads write without a pause: thirty forks."""
    script = """
        import os, sys, threading
        from s2v_detect import Ledger
        books = Ledger(sys.argv[1])
        books.begin("a model")
        over = threading.Event()
        def write():
            while not over.is_set():
                books.mark_output("a mark")
        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
        good = 0
        for _ in range(30):
            child = os.fork()
            if not child:
                assert books.names() == [""]
                assert books.run == 0
                books.begin("a model")
                books.mark_output("of the child")
                books.close()
                os._exit(7)
            good += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        over.set()
        for writer in writers:
            writer.join()
        books.close()
        print(good)
    """
    path = tmp_path / "l.db"
    assert told(script, path) == "30"
    with Ledger(path) as ledger:
        assert ledger.begin("a model").id == 32


def test_a_parents_run_in_a_child_says_so(tmp_path: Path) -> None:
    """It neither hangs nor writes."""
    script = """
        import os, sys
        from s2v_detect import Ledger, LedgerError
        books = Ledger(sys.argv[1])
        run = books.begin("a model")
        child = os.fork()
        if not child:
            try:
                run.spent()
            except LedgerError as error:
                os._exit(7 if "before a fork" in str(error) else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert told(script, tmp_path / "l.db") == "7"


def test_a_child_does_not_keep_its_dead_parent_alive(tmp_path: Path) -> None:
    """Its run counts as dead at once, whoever has its descriptors."""
    script = """
        import os, sys, time
        from s2v_detect import Ledger
        books = Ledger(sys.argv[1], name="out")
        books.begin("a model")
        if not os.fork():
            os.close(1)
            time.sleep(60)
            os._exit(0)
        print("ready", flush=True)
        os.kill(os.getpid(), 9)
    """
    path = tmp_path / "l.db"
    process = subprocess.Popen(  # noqa: S603  # our own script
        [sys.executable, "-c", textwrap.dedent(script), str(path)],
        stdout=subprocess.PIPE,
        process_group=0,
    )
    try:
        out, _ = process.communicate(timeout=60)
        assert (out, process.returncode) == (b"ready\n", -signal.SIGKILL)
        with Ledger(path, name="out") as ledger:
            assert ledger.begin("a model").id == 2
    finally:
        os.killpg(process.pid, signal.SIGKILL)
