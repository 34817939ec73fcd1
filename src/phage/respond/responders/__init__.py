"""The responders, one file each; found by the plug-in loader."""
