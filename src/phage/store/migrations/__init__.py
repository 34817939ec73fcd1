"""Numbered changes of the schema.

NNNN_name.sql serves both engines; NNNN_name.ENGINE.sql one of them.
"""
