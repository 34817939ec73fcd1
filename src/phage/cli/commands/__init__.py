"""Commands, one file a noun or bare verb; the file name is the command."""
