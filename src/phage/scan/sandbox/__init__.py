"""The sandbox: engines and openers run where they can do no harm; its walls are proven at start.

`sandbox.py` is the outside; `zygote.py`, `child.py` and what they import run inside.
"""
