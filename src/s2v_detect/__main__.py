"""`python -m s2v_detect` is `s2v-detect`."""

import sys

from s2v_detect.cli import main

if __name__ == "__main__":
    sys.exit(main())
