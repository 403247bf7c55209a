"""The version, where both the build and the User-Agent read it."""

VERSION = "0.1.0"
