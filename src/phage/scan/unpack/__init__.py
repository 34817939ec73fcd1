"""Taking files apart, one level at a time.

`tree.py` walks from the outside and keeps the limits; `opening.py` and the openers beside it run in
the sandbox.
"""
