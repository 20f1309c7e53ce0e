"""All records of a dataset, page by page, and not one less."""

from __future__ import annotations

from collections.abc import Iterator

from annotation.api import Api
from annotation.projects.project import Json
from schemas.problems import Problem

PAGE = 500  # records
TRIES = 5


def count(api: Api, dataset: str) -> int:
    """Records in a dataset, by the server's database."""
    return int(api.get(f"datasets/{dataset}/records", {"limit": 1})["total"])


def pages(api: Api, dataset: str, include: str | None = None) -> Iterator[list[Json]]:
    """Records in the order they were made, none twice.

    The server pages by offset. Records that are made meanwhile come at the end and are read too. One that is deleted
    meanwhile moves the rest up, so that some are skipped: where fewer were seen than the server counts, what is missing
    is read again.

    Args:
        api: An owner's account.
        dataset: Id of the dataset.
        include: What to give along, such as `responses`.

    Raises:
        Problem: After several tries the counts still differ.
    """
    seen: set[str] = set()
    for _ in range(TRIES):
        offset, listed = 0, 0
        while True:
            params = {"limit": PAGE, "offset": offset} | ({"include": include} if include else {})
            answer = api.get(f"datasets/{dataset}/records", params)
            items, total = answer["items"], int(answer["total"])
            listed += len({item["id"] for item in items})
            new = [item for item in items if item["id"] not in seen]
            seen.update(item["id"] for item in new)
            if new:
                yield new
            offset += PAGE
            if not items or offset >= total:
                break
        if listed >= total and len(seen) >= total:
            return
    raise Problem(
        f"dataset {dataset}: the server counts {total} records and gave {len(seen)}, {TRIES} times over. Nothing was "
        "written; wait until no records are being deleted, and run the same command again."
    )
