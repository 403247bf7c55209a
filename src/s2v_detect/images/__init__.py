"""What is done with an image before it is sent: a look at its first bytes, from where it lies."""

from s2v_detect.images._look import Looker

__all__ = ["Looker"]
