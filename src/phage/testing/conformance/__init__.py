"""Conformance: checks that every plug-in of a family passes, for authors of plug-ins too.

Each check is a function that takes a plug-in (or what makes one) and raises AssertionError with
what is wrong. A plug-in author runs them all:

    for check in phage.testing.conformance.detectors.CHECKS:
        check(MyDetector)
"""
