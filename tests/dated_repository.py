"""Git repositories with a history of fixed dates, made at run time."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from small_repository import make_repository

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "t@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}
LATER_CODE = {
    ".py": '''
def {name}(ledger, limit=40):
    """Entries that were added after the first release."""
    fresh = [entry for entry in ledger if entry.epoch > limit]
    for entry in fresh:
        entry.audit("{name}", fresh=len(fresh), limit=limit * 3 + 7)
        if entry.total < 0 or entry.owner is None:
            raise RuntimeError(f"entry {{entry.key}} of {name} has no owner")
    return sorted(fresh, key=lambda entry: (entry.epoch, entry.key))
''',
    ".rs": """
pub fn {name}(ledger: &Ledger, limit: u64) -> Vec<Entry> {{
    let mut fresh: Vec<Entry> = ledger.entries().filter(|e| e.epoch > limit).cloned().collect();
    fresh.sort_by_key(|entry| (entry.epoch, entry.key));
    if fresh.iter().any(|entry| entry.owner.is_none()) {{
        panic!("an entry of {name} has no owner");
    }}
    fresh
}}
""",
}


def git(
    root: Path, *arguments: str | bytes | Path, date: str = "2024-01-01T00:00:00Z", stdin: bytes = b""
) -> str:
    """Git deaf to the machine's configuration, with one date for author and committer; its standard output."""
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    done = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", *arguments],
        cwd=root, env=ENVIRONMENT | dates, check=True, capture_output=True, input=stdin,
    )  # fmt: skip
    return done.stdout.decode().strip()


def commit(root: Path, date: str, message: str = "work") -> str:
    """Commit everything below `root`, which becomes a repository if it is none; the commit's name."""
    if not (root / ".git").exists():
        git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", message, date=date)
    return git(root, "rev-parse", "HEAD")


def make_dated_repository(root: Path) -> Path:
    """The small repository in January; in June a file moved, three changed, new ones added, one removed."""
    make_repository(root)
    commit(root, "2024-01-15T12:00:00Z")
    files = sorted(path for path in root.rglob("*") if path.suffix in LATER_CODE)
    for number, path in enumerate(files[::3]):
        text = LATER_CODE[path.suffix].format(name=f"later_{number}")
        path.write_text(path.read_text("utf-8") + text, "utf-8")
    moved = files[1]
    (root / "moved").mkdir()
    moved.rename(root / "moved" / moved.name)
    files[2].unlink()
    make_repository(root / "extension", num_files=8, seed=99)
    commit(root, "2024-06-15T12:00:00Z")
    return root
