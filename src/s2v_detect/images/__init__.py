"""What is done with an image before it is sent: a look at its first bytes, and an upload."""

from s2v_detect.images._look import Looker
from s2v_detect.images._upload import Uploader

__all__ = ["Looker", "Uploader"]
