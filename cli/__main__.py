"""`python -m cli`: the operator's command line."""

from cli.app import main

if __name__ == "__main__":
    main()
