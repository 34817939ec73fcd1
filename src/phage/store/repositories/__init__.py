"""Repositories, one a record: all SQL of a record stands in its file."""
