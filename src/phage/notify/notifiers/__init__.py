"""The notifiers, one file each; found by the plug-in loader."""
