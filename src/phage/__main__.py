"""`python -m phage`: the same as the command `phage`."""

from phage.cli.main import main

if __name__ == "__main__":
    main()
