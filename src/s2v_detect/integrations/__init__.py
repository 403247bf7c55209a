"""The room of integrations: one module for each engine, frame or framework.

An edge: each module uses the public names of `s2v_detect` and of one extra. Nothing is imported
from here by `import s2v_detect`, and this room imports none of its modules: a module is imported by
whoever uses its engine. They know nothing of one another.
"""
