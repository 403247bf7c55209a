"""What the promises are attacked with: a module a part, each with `attack(found, tries)`.

Tests use the same failing disk, names of a ledger and clashing paths. Importing the package loads
nothing.
"""
