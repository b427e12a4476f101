"""`classifyd models`: the bundles that are there, which of them serve, and whether they are whole."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifyd.cli.manifest import figures, outline
from classifyd.cli.options import ConfigOption, JsonOption, load_settings, with_shipped_models
from classifyd.errors import BundleError, UsageError

if TYPE_CHECKING:
    from classifyd.bundles import Store

app = typer.Typer(no_args_is_help=True, help="The models: which there are, which serve, whether they are whole.")

TaskArgument = Annotated[str, typer.Argument(help="The task.", show_default=False)]
VersionOption = Annotated[int | None, typer.Option("--version", metavar="N", help="Else the one in service.")]


@app.command("list")
def list_models(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List every version of every task's model; the one in service is marked, and the one that served before it.

    Example: [bold]classifyd models list[/bold]
    """
    from classifyd.cli.screen import say_json, show, table

    store = _store(config)
    rows = list(_rows(store))
    if json:
        say_json(rows)
        return
    cells = ((row["task"], row["version"], _service(row), row["about"]) for row in rows)
    show(table(("task", "version", "in service", "figures"), cells, right=("version",)), f"in {store.path}")


@app.command("show")
def show_model(
    task: TaskArgument, version: VersionOption = None, config: ConfigOption = None, json: JsonOption = False
) -> None:
    """Show what a model's manifest says: labels, figures, what it was made from.

    Example: [bold]classifyd models show spam[/bold]
    """
    from classifyd.cli.screen import say, say_json

    store = _store(config)
    bundle = store.open(task, _version(store, task, version))
    if json:
        say_json(dict(bundle.manifest))
        return
    for name, value in bundle.manifest.items():
        if name not in ("files", "examples"):
            for told in outline(name, value):
                say(told)
    say(f"digest: {bundle.digest}\nfiles: {', '.join(sorted(bundle.files))}\nin: {bundle.path}")


@app.command()
def verify(
    task: Annotated[str | None, typer.Argument(help="The task; else all.", show_default=False)] = None,
    version: Annotated[int | None, typer.Option("--version", metavar="N", help="Else all.")] = None,
    config: ConfigOption = None,
) -> None:
    """Read every file of the models and compare it with the digest in its manifest; exit 1 if one differs.

    Example: [bold]classifyd models verify spam[/bold]
    """
    from classifyd.cli.screen import complain, say

    store = _store(config)
    failed = False
    for name in [_known(store, task)] if task else store.tasks():
        for number in [_version(store, name, version)] if version else store.versions(name):
            try:
                store.verify(name, number)
            except BundleError as error:
                failed = True
                complain(str(error))
            else:
                say(f"{name}@{number}: whole")
    raise typer.Exit(int(failed))


@app.command()
def promote(
    task: TaskArgument,
    version: Annotated[int | None, typer.Argument(help="The version; else the newest.", show_default=False)] = None,
    config: ConfigOption = None,
) -> None:
    """Put a version in service; a running daemon takes it up within seconds, and inputs claimed before keep theirs.

    Example: [bold]classifyd models promote spam 3[/bold]
    """
    from classifyd.cli.screen import say

    store = _own_store(config)
    store.promote(_known(store, task), version or store.versions(task)[-1])
    say(f"{task}@{store.current(task)} is in service")


@app.command()
def rollback(task: TaskArgument, config: ConfigOption = None) -> None:
    """Put the version that served before back in service; asked again, the one that served before that.

    Example: [bold]classifyd models rollback spam[/bold]
    """
    from classifyd.cli.screen import say

    store = _own_store(config)
    now = store.current(_known(store, task))
    bundle = store.roll_back(task)
    if bundle is None:
        raise UsageError(f"{task}: there is no version before {now}; see: classifyd models list")
    say(f"{task}@{bundle.version} is in service, in place of {task}@{now}")


@app.command()
def prune(
    keep: Annotated[int, typer.Option("--keep", metavar="N", min=1, help="Keep the newest N versions of a task.")],
    task: Annotated[str | None, typer.Argument(help="The task; else all.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    config: ConfigOption = None,
) -> None:
    """Remove old versions, but none that serves, that a rollback would go to, or that an input in work is pinned to.

    Example: [bold]classifyd models prune --keep 3 --dry-run[/bold]
    """
    from classifyd import bundles
    from classifyd import status as statuses
    from classifyd.cli.screen import say

    settings = load_settings(config)
    store = bundles.Store(settings.models)
    step = bundles.spare if dry_run else bundles.prune
    gone: list[bundles.Spare] = []
    freed = 0
    for name in [_known(store, task)] if task else store.tasks():
        for one in step(store, name, keep, statuses.needed(settings, name)):
            say(f"{one.task}@{one.version}: {_megabytes(one.size)} {'would be freed' if dry_run else 'freed'}")
            gone.append(one)
            freed += one.size
    for blob in bundles.sweep(store, dry_run=dry_run, without={(one.task, one.version) for one in gone}):
        say(f"blobs/{blob.name}: {_megabytes(blob.size)} {'would be freed' if dry_run else 'freed'}")
        freed += blob.size
    done = "would go" if dry_run else "removed"
    say(f"{len(gone)} {'version' if len(gone) == 1 else 'versions'} {done}, {_megabytes(freed)}")


@app.command("export")
def export_model(
    task: TaskArgument,
    version: VersionOption = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Else TASK-VERSION.tar here.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write a version, verified, into one file, for another machine. Nothing is overwritten.

    Example: [bold]classifyd models export spam --output spam-3.tar[/bold]
    """
    from classifyd import bundles
    from classifyd.cli.screen import say

    store = _store(config)
    number = _version(store, task, version)
    target = output or Path(f"{task}-{number}.tar")
    try:
        bundles.export(store.open(task, number), target)
    except OSError as error:
        raise UsageError(f"--output {target}: {error.strerror}; name another file") from error
    say(f"{task}@{number}: {target}, {_megabytes(target.stat().st_size)}")


@app.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As models export wrote it.", show_default=False)],
    config: ConfigOption = None,
) -> None:
    """Take in a version from one file, every byte against its digest; it is not put in service.

    Example: [bold]classifyd models import spam-3.tar[/bold]
    """
    from classifyd import bundles
    from classifyd.cli.screen import say

    try:
        bundle = bundles.bring_in(file, _own_store(config))
    except OSError as error:
        raise UsageError(f"{error.filename or file}: {error.strerror}") from error
    say(f"{bundle.task}@{bundle.version} is there; to use it: classifyd models promote {bundle.task} {bundle.version}")


# ---------------------------------------------------------------------- helpers, in the order used


def _store(config: Path | None) -> "Store":
    """The models that are used: shipped ones if there are no others."""
    from classifyd.bundles import Store

    return Store(with_shipped_models(load_settings(config)).models)


def _own_store(config: Path | None) -> "Store":
    """The models that may be changed."""
    from classifyd.bundles import Store

    return Store(load_settings(config).models)


def _known(store: "Store", task: str) -> str:
    if not store.versions(task):
        known = ", ".join(store.tasks()) or "none"
        raise BundleError(f"{store.path}: no model for the task {task!r}. Known: {known}.")
    return task


def _version(store: "Store", task: str, version: int | None) -> int:
    chosen = version or store.current(_known(store, task))
    if chosen is None:
        raise BundleError(f"{task}: no version is in service; put one there with: classifyd models promote {task}")
    if chosen not in store.versions(task):
        known = ", ".join(map(str, store.versions(task)))
        raise BundleError(f"{task}: there is no version {chosen}. Known: {known}.")
    return chosen


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _rows(store: "Store") -> Iterator[dict[str, Any]]:
    for task in store.tasks():
        for number in store.versions(task):
            try:
                about = figures(store.open(task, number).manifest.get("metrics", {}))
            except BundleError as error:
                about = f"unfit: {error}"
            serves, before = number == store.current(task), number == store.before(task)
            yield {"task": task, "version": number, "in_service": serves, "before": before, "about": about}


def _service(row: dict[str, Any]) -> str:
    return "yes" if row["in_service"] else "before" if row["before"] else ""
