"""Where the lines of this machine are kept, and whether locks hold there."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from s2v_detect.errors import ConfigurationError

FOLDER_VARIABLE = "S2V_DETECT_STATE_DIR"
LINE_VARIABLE = "S2V_DETECT_LINE"
_NETWORK_DISKS = frozenset(
    (
        "9p",
        "afs",
        "afpfs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs2",
        "gpfs",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "pvfs2",
        "smb3",
        "smbfs",
        "vboxsf",
    )
)
_BOOT_BYTES = 16
_SERVERS = ("redis://", "rediss://", "unix://")


def wanted_line() -> str:
    """Return where the environment wants the line: "machine", "process", or the URL of a Redis.

    Raises `ConfigurationError` for any other value: a slip would split the account's line.
    """
    where = os.environ.get(LINE_VARIABLE, "").strip()
    if where in ("", "machine"):
        return "machine"
    if where == "process" or where.startswith(_SERVERS):
        return where
    raise ConfigurationError(  # without the value: a password may be in it
        f"{LINE_VARIABLE} says neither machine, nor process, nor the URL of a Redis.",
        do='Set "machine" (as without it), "process", or "redis://host:6379/0", say.',
    )


def state_folder(directory: str | os.PathLike[str] | None) -> Path:
    """Return the folder of the lines, made if it was not there. Raises `OSError`.

    A given folder belongs to its owner: it is used as it is.
    """
    if sys.platform == "win32":
        raise OSError("this system locks no file in the way that a shared line needs")
    if directory is not None:
        if not os.fspath(directory):
            raise NotADirectoryError("an empty text is no folder")
        folder = Path(directory)
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is no folder")
    else:
        folder = _own_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (kind := _kind_of_disk(folder)) in _NETWORK_DISKS:
        raise OSError(f"{folder} is on a network disk ({kind}), where locks do not hold")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder} can't be written")
    return folder


def boot() -> bytes:
    """Return what tells this boot of the machine: the clock of processes begins anew with each.

    Where the system does not say, the times of an earlier boot tell by themselves: they are of
    long ago or of the future.
    """
    with suppress(OSError, ValueError):
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")
        return bytes.fromhex(text.strip().replace("-", ""))
    return bytes(_BOOT_BYTES)


def _own_folder() -> Path:
    folder = Path(os.environ.get(FOLDER_VARIABLE, "").strip())
    if folder == Path():
        folder = _state_home() / "s2v-detect" / "lines"
    if not folder.is_absolute():  # as of a user without a home: each folder would have a line
        raise OSError(f"{folder} is no absolute path")
    return folder


def _state_home() -> Path:
    """Return where the system keeps a program's state for this user: the rule of XDG, and Apple's.

    platformdirs is not asked: its releases differ (a relative folder, macOS), and two environments
    of one machine would have two lines. Its import takes longer than all else of the first line.
    """
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    if given.is_absolute():  # the rule says that a relative one counts for nothing
        return given
    is_apple = sys.platform == "darwin"
    home = "~/Library/Application Support" if is_apple else "~/.local/state"
    # Not Path.expanduser: that raises where nobody knows the user's home, as in a container.
    return Path(os.path.expanduser(home))  # noqa: PTH111  # as above


def _kind_of_disk(folder: Path) -> str:
    """Return the file system's name, as far as Linux tells it."""
    if sys.platform != "linux":
        return ""
    with suppress(OSError):
        device = folder.stat().st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
            mount, _, kind = line.partition(" - ")
            if mount.split(" ")[2] == wanted:
                return kind.split(" ")[0]
    return ""
