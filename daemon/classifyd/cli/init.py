"""`classifyd init`: a folder with all that a daemon needs."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from pathlib import Path
from typing import Annotated

import typer

from classifyd.errors import ClassifydError, UnavailableError, UsageError


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it is not there.", show_default=False)],
) -> None:
    """Make a folder with a configuration, its inboxes and the models: a working daemon.

    Example: [bold]classifyd init office && classifyd run --config office/config.toml[/bold]
    """
    from classifyd import bundles, config
    from classifyd.cli.screen import complain, say

    target = folder / "config.toml"
    if target.exists():
        raise UsageError(f"{target} is there already, and nothing was changed; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        models = bundles.shipped()
        if models is None:
            complain("classifyd came without models; train one with: classifyd train spam --data FILE")
        else:
            _copy_models(models, folder / "models")
        _write_new(target, _template().read_bytes())
        made = config.load(target, {}, check_folders=False)
        for inbox in made.inboxes:
            inbox.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClassifydError(f"{error.filename or folder}: {error.strerror}; nothing else was made") from error
    for inbox in made.inboxes:
        say(f"inbox {inbox.name}: {inbox.path}")
    say(f"Now run: classifyd run --config {target}")


def _template() -> Path:
    """The configuration that is shipped: in the wheel, or at the root of a checkout."""
    import classifyd

    package = Path(classifyd.__file__).resolve().parent
    for place in (package / "_shipped" / "config.toml", package.parents[1] / "config.toml"):
        if place.is_file():
            return place
    raise UnavailableError("classifyd came without its config.toml; install it again")


def _copy_models(source: Path, target: Path) -> None:
    """Copy the models under a name of their own until all are there; models that are there already stay."""
    import shutil

    if target.exists():
        return
    draft = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(source, draft)
    draft.rename(target)


def _write_new(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
