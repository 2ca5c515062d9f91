"""Prints, for a shell, where this machine's pip takes packages from, in uv's words: uv does not read pip's settings."""

import ast
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# uv's variable for each of pip's settings.
NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
# The nearer a setting is to the call, the more it says; `:env:` comes from the environment.
ORDER = ("global", "install", ":env:")


def translate(listed: str, present: Mapping[str, str]) -> dict[str, str]:
    """From the lines of `pip config list` to variables; what is set for uv already stays."""
    found: dict[str, str] = {}
    for scope in ORDER:
        for line in listed.splitlines():
            setting, _, value = line.partition("=")
            section, _, name = setting.rpartition(".")
            if section == scope and name in NAMES and value:
                found[NAMES[name]] = _words(name, str(ast.literal_eval(value)))
    return {name: value for name, value in found.items() if value and name not in present}


def _words(name: str, value: str) -> str:
    if name == "no-index":
        return "1" if value.lower() in ("1", "true", "yes", "on") else ""
    words = value.split()
    if name in ("find-links", "cert"):
        # pip passes over a folder that is not there, uv stops at it.
        words = [word for word in words if "://" in word or Path(word).exists()]
    return ("," if name == "find-links" else " ").join(words)


if __name__ == "__main__":
    shown = subprocess.run(  # where there is no pip there is nothing to translate
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    for name, value in translate(shown.stdout, os.environ).items():
        print(f"export {name}={shlex.quote(value)}")
