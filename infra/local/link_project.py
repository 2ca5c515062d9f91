"""Makes this folder importable in the running environment, as an editable install would, without a build tool."""

import json
import sys
import sysconfig
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def link(project: Path, packages: Path) -> None:
    """Write what an installer would: the path, and enough metadata for `importlib.metadata` and an uninstall."""
    described = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    name = described["name"].replace("-", "_")
    folder = f"{name}-{described['version']}.dist-info"
    direct = {"url": project.as_uri(), "dir_info": {"editable": True}}
    files = {
        f"{name}.pth": f"{project}\n",
        f"{folder}/METADATA": _metadata(described),
        f"{folder}/INSTALLER": "just\n",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nGenerator: just\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{folder}/direct_url.json": json.dumps(direct),
    }
    files[f"{folder}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{folder}/RECORD"])
    (packages / folder).mkdir(exist_ok=True)
    for path, text in files.items():
        (packages / path).write_text(text)


def link_scripts(project: Path, folder: Path, python: str) -> None:
    """Write the commands that the project names, for a shell to find."""
    described = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    for name, where in described.get("scripts", {}).items():
        module, _, function = where.partition(":")
        script = folder / name
        script.write_text(f"#!{python}\nimport sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n")
        script.chmod(0o755)


def _metadata(described: dict[str, str]) -> str:
    fields = {"Metadata-Version": "2.1", "Name": described["name"], "Version": described["version"]}
    fields["Summary"] = described["description"]
    fields["Requires-Python"] = described["requires-python"]
    return "".join(f"{field}: {value}\n" for field, value in fields.items())


if __name__ == "__main__":
    link(PROJECT, Path(sysconfig.get_path("purelib")))
    link_scripts(PROJECT, Path(sysconfig.get_path("scripts")), sys.executable)
