"""Which annotator reads which locales."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from annotation.server.home import Home, find_home
from schemas.problems import Problem


def read_readers(file: Path | None, home: Path | None = None) -> dict[str, list[str]]:
    """Locales by annotator.

    Args:
        file: JSON or YAML: `anna: [de-DE, en]`. None takes what `python -m annotation users` wrote in the home.
        home: The home; None takes the environment's, or the default one.

    Raises:
        Problem: The file is not there, or not of that form.
    """
    if file is None:
        known = Home(find_home(home))
        return _checked(known.path / "users.json", known.locales())
    import yaml

    try:
        loaded = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except FileNotFoundError:
        raise Problem(f"{file}: no such file; expected annotators and the locales they read.") from None
    except (UnicodeDecodeError, yaml.YAMLError):
        raise Problem(f"{file}: neither YAML nor JSON; expected lines such as `anna: [de-DE, en]`.") from None
    return _checked(file, loaded)


def _checked(file: Path, loaded: Any) -> dict[str, list[str]]:
    readers = {}
    for name, read in loaded.items() if isinstance(loaded, dict) else [("", None)]:
        locales = read.get("locales") if isinstance(read, dict) else read
        if not isinstance(locales, list) or not all(isinstance(locale, str) for locale in locales):
            raise Problem(f"{file}: {name}: expected a list of locales, such as `anna: [de-DE, en]`.")
        readers[str(name)] = locales
    return readers
