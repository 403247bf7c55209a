"""What the system says of an error, in the language that is spoken."""

from s2v_detect.languages._catalogues import N_, _

_OF_THE_SYSTEM = (  # which says them in English whatever the locale is; those that users meet
    N_("Address already in use"),
    N_("Cannot assign requested address"),
    N_("Disk quota exceeded"),
    N_("File name too long"),
    N_("File too large"),
    N_("Input/output error"),
    N_("Is a directory"),
    N_("No space left on device"),
    N_("No such file or directory"),
    N_("Not a directory"),
    N_("Permission denied"),
    N_("Read-only file system"),
    N_("Too many levels of symbolic links"),
)


def why(error: OSError | ValueError) -> str:
    """Return what the system says of an error, or what Python says where the system was not asked.

    Example:
        >>> why(OSError(28, "No space left on device")), why(ValueError("embedded null byte"))
        ('No space left on device', 'embedded null byte')
    """
    said = error.strerror if isinstance(error, OSError) else None
    return _(said or str(error) or type(error).__name__)
