"""Command `init`: a project from the installed package."""

from pathlib import Path
from typing import Annotated

import typer

from demsr.cli.app import app


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New or empty folder, or a project to complete.")],
) -> None:
    """Write the files of a project: pipeline, parameters, sweeps and .gitignore, as in the repository of demsr.

    In a project, write those that it lacks and the installed version; changed files stay.
    """
    from demsr.runtime.new_project import start_project

    project = start_project(folder)
    typer.echo(f"{folder}: wrote {len(project.written)} files of demsr {project.version}")
    if project.different:
        typer.echo(f"kept, and not as in this version: {', '.join(project.different)}")
    if not (folder / ".git").exists():
        typer.echo(f"next: git init {folder}, since DVC needs a repository")
