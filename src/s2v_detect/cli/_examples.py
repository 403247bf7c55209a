"""Lines that work: in the help of each command, and beside what is missing in one."""

from collections.abc import Sequence

RUN = """\
Examples:
  s2v-detect run photographs -o verdicts.jsonl --recursive
  s2v-detect run portraits.txt -o verdicts.jsonl
  s2v-detect run portraits.csv -o verdicts.csv --column photo --max-cost 12.50
  s2v-detect run portraits.txt -o trial.jsonl --emulator --report report.html
  s2v-detect run portraits.parquet -o sample.csv --sample 500
  s2v-detect run s3://portraits/2026/ -o verdicts.csv
  s2v-detect run portraits.xlsx -o verdicts.xlsx --sheet 2
  cat portraits.txt | s2v-detect run - -o - | jq -r 'select(.check_pass).image'"""
CHECK = """\
Examples:
  s2v-detect check https://example.com/face.jpg
  s2v-detect check --json https://example.com/1.jpg https://example.com/2.jpg"""
ESTIMATE = """\
Examples:
  s2v-detect estimate portraits.csv
  s2v-detect estimate portraits.csv -o verdicts.csv --column photo --retry-failed"""
REPORT = """\
Examples:
  s2v-detect report verdicts.jsonl -o report.html
  s2v-detect report verdicts.jsonl.ledger -o report.html --title "November portraits\""""
DOCTOR = """\
Examples:
  s2v-detect doctor
  s2v-detect doctor --ledger verdicts.jsonl.ledger --json
  s2v-detect doctor --probe 10 --max-cost 0.04 portraits.txt -o probe.md"""
EMULATOR = """\
Examples:
  s2v-detect emulator --folder examples/photographs
  s2v-detect emulator --answer pass --counting none"""
COMPLETION = """\
Examples, each once:
  s2v-detect completion bash >~/.local/share/bash-completion/completions/s2v-detect
  s2v-detect completion zsh >"${fpath[1]}/_s2v-detect"
  s2v-detect completion fish >~/.config/fish/completions/s2v-detect.fish"""
LEDGER = """\
Examples:
  s2v-detect ledger show verdicts.jsonl.ledger https://example.com/face.jpg
  s2v-detect ledger statement verdicts.jsonl.ledger
  s2v-detect ledger export verdicts.jsonl.ledger -o everything.csv
  s2v-detect ledger reconcile verdicts.jsonl.ledger --resend
  s2v-detect ledger copy verdicts.jsonl.ledger monday.ledger
  s2v-detect ledger forget verdicts.jsonl.ledger https://example.com/face.jpg
  s2v-detect ledger prune verdicts.jsonl.ledger --older-than 90d"""

_ALL = (RUN, CHECK, ESTIMATE, REPORT, DOCTOR, EMULATOR, COMPLETION, LEDGER)


def example_with(command: str, names: Sequence[str]) -> str:
    """Return a line of a command that has one of these words in it; empty where there is none.

    Example:
        >>> example_with("ledger prune", ["--older-than"])
        's2v-detect ledger prune verdicts.jsonl.ledger --older-than 90d'
    """
    of = [line.strip() for text in _ALL for line in text.splitlines()]
    of = [line for line in of if line.startswith(f"s2v-detect {command} ")]
    return next((line for line in of if set(names) & set(line.split())), "")
