"""Find the files that ship beside the code: index templates, saved objects, rules.

In a checkout they are top-level folders, where a reviewer looks for them; in the wheel they lie
inside this package.
"""

from pathlib import Path


def resource(*parts: str) -> Path:
    """Return the path of a shipped file or folder, for example `resource("templates", "x.json")`.

    Raises:
        FileNotFoundError: it is in neither place: the installation is broken.
    """
    inside = Path(__file__).parent
    checkout = inside.parents[2]
    for root in (inside, checkout):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise FileNotFoundError(f"{'/'.join(parts)} is missing: reinstall auditship")
