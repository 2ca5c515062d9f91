"""The wrapper `./just` on machines that lack this or that, each made of a few small programs on the PATH."""

import importlib.metadata
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.link_project import link
from infra.local.package_source import translate

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = "sh dirname uname cksum tr mkdir rm mv ln cat chmod readlink env".split()  # noqa: SIM905 - read as a line
FAKE_PYTHON = (
    "#!/bin/sh\n"
    'case "$*" in\n'
    '  --version) echo "Python 3.$MINOR.2" ;;\n'
    '  *version_info*) for last; do :; done; [ "$MINOR" -ge "$last" ] ;;\n'
    '  *ensurepip*) [ "$COMPLETE" = yes ] ;;\n'
    '  "-m pip --version") [ "$PIP" = yes ] ;;\n'
    '  "-m venv --without-pip "*) mkdir -p "$4/bin" ;;\n'
    '  "-m venv "*) mkdir -p "$3/bin"; cat "$0" >"$3/bin/python"; chmod +x "$3/bin/python" ;;\n'
    '  "-m pip --python "*) here=${4%/python}; @INSTALL@ ;;\n'
    '  *"pip install "*) here=${0%/python}; [ "$INDEX" = yes ] || exit 1; @INSTALL@ ;;\n'
    "  *) exit 1 ;;\n"
    "esac\n"
)
INSTALL = 'printf \'#!/bin/sh\\necho ran "$@"\\n\' >"$here/just"; chmod +x "$here/just"'
FAKE_UV = '#!/bin/sh\ncase "$1" in venv) mkdir -p "$5/bin" ;; pip) here=${5%/python}; @INSTALL@ ;; esac\n'
FAKE_VIRTUALENV = '#!/bin/sh\nexec "$3" -m venv "$4"\n'

Machine = Callable[..., dict[str, str]]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone in a folder with a space in its name."""
    place = tmp_path / "a clone"
    (place / "infra" / "local").mkdir(parents=True)
    shutil.copy(PROJECT / "just", place / "just")
    shutil.copy(PROJECT / "infra" / "local" / "tools.lock", place / "infra" / "local" / "tools.lock")
    return place


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with the usual small programs and those that a test adds."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (programs / tool).symlink_to(found)

    def build(
        minor: str = "11",
        complete: str = "no",
        pip: str = "no",
        index: str = "yes",
        extra: dict[str, str] | None = None,
    ) -> dict[str, str]:
        texts = ({"python3": FAKE_PYTHON} if minor else {}) | (extra or {})
        for name, text in texts.items():
            (programs / name).write_text(text.replace("@INSTALL@", INSTALL))
            (programs / name).chmod(0o755)
        return {"PATH": str(programs), "MINOR": minor, "COMPLETE": complete, "PIP": pip, "INDEX": index}

    return build


def run(clone: Path, environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [clone / "just", *words], env=environment, capture_output=True, text=True, check=False, timeout=30, cwd="/"
    )


def tool_folders(clone: Path) -> list[str]:
    return sorted(entry.name for entry in (clone / ".tools").iterdir() if not entry.is_symlink())


def test_arguments_reach_just_as_they_were_written(clone: Path, machine: Machine) -> None:
    done = run(clone, machine(complete="yes"), "test", "-k", "two words")
    assert done.stdout == f"ran --justfile {clone}/justfile --working-directory {clone} test -k two words\n"
    assert done.returncode == 0


def test_a_second_run_fetches_nothing(clone: Path, machine: Machine) -> None:
    assert "fetching" in run(clone, machine(complete="yes")).stderr
    assert run(clone, machine(complete="yes", index="no")).stderr == ""


def test_without_python_the_remedy_is_named(clone: Path, machine: Machine) -> None:
    done = run(clone, machine(minor=""))
    assert done.returncode == 1
    assert (
        "no Python was found; install Python 3.11 or later (on Debian: apt-get install python3 python3-venv)."
        in done.stderr
    )


def test_an_old_python_is_named_with_its_version(clone: Path, machine: Machine) -> None:
    done = run(clone, machine(minor="9", complete="yes"))
    assert done.returncode == 1
    assert "Python 3.9.2 is too old; install Python 3.11 or later" in done.stderr


def test_an_old_python_begins_where_another_may_be_fetched(clone: Path, machine: Machine) -> None:
    assert run(clone, machine(minor="9", complete="yes") | {"MESH_DOWNLOAD_PYTHON": "1"}).returncode == 0


def test_a_recent_python_is_found_behind_an_old_one(clone: Path, machine: Machine) -> None:
    environment = machine(minor="9", complete="yes", extra={"python3.12": FAKE_PYTHON.replace("$MINOR", "12")})
    assert run(clone, environment).returncode == 0


def test_a_bare_debian_is_told_the_package(clone: Path, machine: Machine) -> None:
    done = run(clone, machine())
    assert done.returncode == 1
    assert "python3 cannot make environments here; run: apt-get install python3-venv" in done.stderr


@pytest.mark.parametrize("instead", [{"uv": FAKE_UV}, {"virtualenv": FAKE_VIRTUALENV}])
def test_a_bare_debian_with_another_maker_of_environments_needs_no_package(
    clone: Path, machine: Machine, instead: dict[str, str]
) -> None:
    assert run(clone, machine(extra=instead)).stdout.startswith("ran ")


def test_a_bare_debian_with_pip_alone_needs_no_package(clone: Path, machine: Machine) -> None:
    assert run(clone, machine(pip="yes")).stdout.startswith("ran ")


def test_a_failed_first_run_says_so_and_leaves_nothing_behind(clone: Path, machine: Machine) -> None:
    done = run(clone, machine(complete="yes", index="no"))
    assert done.returncode == 1
    assert "see that pip reaches a package index" in done.stderr
    assert tool_folders(clone) == []
    assert run(clone, machine(complete="yes")).returncode == 0


def test_another_pin_makes_other_tools(clone: Path, machine: Machine) -> None:
    run(clone, machine(complete="yes"))
    first = tool_folders(clone)
    (clone / "infra" / "local" / "tools.lock").write_text("uv==0\n")
    assert "fetching" in run(clone, machine(complete="yes")).stderr
    assert len(tool_folders(clone)) == 2
    latest = set(tool_folders(clone)) - set(first)
    assert (clone / ".tools" / "bin").resolve().parent.name in latest


def test_first_runs_at_the_same_time_do_not_hinder_each_other(clone: Path, machine: Machine) -> None:
    environment = machine(complete="yes")
    started = [
        subprocess.Popen(
            [clone / "just", "up"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for _ in range(6)
    ]
    answers = [process.communicate(timeout=30)[0] for process in started]
    assert all(answer.startswith("ran ") for answer in answers)
    assert len(tool_folders(clone)) == 1
    assert not list((clone / ".tools" / tool_folders(clone)[0]).glob("new.*"))


def test_the_package_source_of_pip_becomes_that_of_uv(tmp_path: Path) -> None:
    listed = "\n".join(
        (
            ":env:.index-url='https://near.example/simple'",
            "global.index-url='https://far.example/simple'",
            f"global.find-links='{tmp_path} /nonexistent/wheels'",
            "global.timeout='60'",
            "install.trusted-host='near.example'",
        )
    )
    assert translate(listed, {"UV_INSECURE_HOST": "already.example"}) == {
        "UV_DEFAULT_INDEX": "https://near.example/simple",
        "UV_FIND_LINKS": str(tmp_path),
    }


def test_the_linked_project_is_known_as_a_distribution(tmp_path: Path) -> None:
    link(PROJECT, tmp_path)
    (found,) = importlib.metadata.distributions(path=[str(tmp_path)])
    assert found.metadata["Name"] == "actor-mesh"
    assert (tmp_path / "actor_mesh.pth").read_text() == f"{PROJECT}\n"
    assert all((tmp_path / str(file)).exists() for file in found.files or ())
