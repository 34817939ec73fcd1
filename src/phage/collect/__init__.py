"""Collectors: from the wire, files and exporters to windows."""
