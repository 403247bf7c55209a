"""Feed `read_header` with what a coverage-guided fuzzer thinks of.

    python tests/fuzz/fuzz_headers.py -max_total_time=60

The options are libFuzzer's. Any exception is a finding; so is a reading that asks for no more than
it has, that goes back, or that takes more steps than there are bytes.
"""

import sys

import atheris

with atheris.instrument_imports(include=["s2v_detect.images._header"]):
    from s2v_detect.images._header import Needs, read_header

SEEDS = (
    b"",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc0\0\x11\x08\1\x90\1\x90\3",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\x90\0\0\1\x90\x08\2\0\0\0",
    b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x8f\1\0\x8f\1\0",
    b"RIFF\0\0\0\0WEBPVP8L\x0a\0\0\0/\x8f\xc1c\0\0\0\0\0\0",
    b"RIFF\0\0\0\0WEBPVP8 \x0a\0\0\0\0\0\0\x9d\1*\x90\1\x90\1",
    b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x90\1\0\0\x90\1\0\0",
    b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf",
    b"<?xml version='1.0'?><svg>",
)


def read(content: bytes) -> None:
    """Read an image as a look does, then whole; the two must agree."""
    finding, length, at, steps = read_header(b""), 0, 0, 0
    while isinstance(finding, Needs):
        if finding.header_bytes <= length or finding.resume_at < at or steps > len(content) + 8:
            raise AssertionError(f"{finding} after {length} bytes and {steps} steps")
        at, steps = finding.resume_at, steps + 1
        length = min(finding.header_bytes, len(content))
        is_whole = length == len(content)
        finding = read_header(content[:length], is_whole=is_whole, after=finding)
    if finding != read_header(content, is_whole=True):
        raise AssertionError(f"{finding} in pieces, else {read_header(content, is_whole=True)}")


def main() -> None:
    """Fuzz until the options say that it is enough."""
    for seed in SEEDS:
        read(seed)
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
