"""Files of the repository that make a project; the build of the wheel, which imports nothing, reads this list too."""

FOLDER = "template"
"""Where the wheel has them, in the package."""

PATTERNS = (
    ".dvc/.gitignore",
    ".dvc/config",
    ".dvcignore",
    ".gitignore",
    "data/local/*/README.md",
    "dvc.yaml",
    "params.yaml",
    "pipelines/*.py",
    "sweeps/*.py",
    "sweeps/*.yaml",
)
