"""Tables to records: rows of Parquet files, and of what the `datasets` library saved or streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from curation.readers.records import KEPT_BYTES, Layout, Record, absent, whole_file
from schemas.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa


def parquet_rows(path: Path, name: str, layout: Layout, rows: int) -> Iterator[Record]:
    """Rows of a Parquet file, a row group at a time: a damaged group costs the rows it held.

    Args:
        path: The file.
        name: What to call it.
        layout: Which columns to read.
        rows: Rows held at once.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.stat().st_size == 0:
        return
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError):
        yield whole_file(path, name, "not a whole Parquet file: its end is missing or damaged; copy it again.")
        return
    with file:
        found = file.schema_arrow.names
        lost = next((column for column in layout.required if column not in found), None)
        if lost or len(set(found)) < len(found):
            error = absent("column", lost, found) if lost else "two columns have the same name; rename one."
            yield whole_file(path, name, error)
            return
        columns = [column for column in (*layout.required, *layout.optional) if column in found]
        number = 1
        for group in range(file.num_row_groups):
            last = number + file.metadata.row_group(group).num_rows - 1
            try:
                for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=columns):
                    for record in _batch_rows(batch, name, number):
                        yield record
                        number += 1
            except (pa.ArrowException, OSError, pl.exceptions.PolarsError):
                raw = _row_group_bytes(path, file.metadata.row_group(group))
                error = f"row group {group} of the Parquet file is damaged; copy the file again."
                yield Record(name, f"rows {number}-{last}", raw, None, error)
            number = last + 1


def _batch_rows(batch: pa.RecordBatch, name: str, number: int) -> Iterator[Record]:
    import pyarrow as pa

    for part in [batch] if _is_text(batch) else [batch.slice(index, 1) for index in range(len(batch))]:
        if _is_text(part):
            frame = cast(pl.DataFrame, pl.from_arrow(pa.Table.from_batches([part])))
            for value in frame.iter_rows(named=True):
                yield Record(name, f"row {number}", None, value)
                number += 1
        else:  # Parquet promises UTF-8 and nobody checks it: this row keeps its bytes, written as Python writes them
            fields = [pa.field(field.name, _with_bytes(field.type)) for field in part.schema]
            raw = json.dumps(part.cast(pa.schema(fields)).to_pylist()[0], default=repr).encode()
            yield Record(name, f"row {number}", raw, None, "text that is not UTF-8; write the table with UTF-8 text.")
            number += 1


def _is_text(batch: pa.RecordBatch) -> bool:
    import pyarrow as pa

    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _with_bytes(kind: pa.DataType) -> pa.DataType:
    """The type with its strings taken as bytes."""
    import pyarrow as pa

    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.binary() if pa.types.is_string(kind) else pa.large_binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = pa.field(kind.value_field.name, _with_bytes(kind.value_type))
        return pa.list_(inner) if pa.types.is_list(kind) else pa.large_list(inner)
    if pa.types.is_struct(kind):
        return pa.struct(
            [pa.field(kind.field(i).name, _with_bytes(kind.field(i).type)) for i in range(kind.num_fields)]
        )
    return kind


def _row_group_bytes(path: Path, group: Any) -> bytes:
    columns = [group.column(index) for index in range(group.num_columns)]
    start = min(column.dictionary_page_offset or column.data_page_offset for column in columns)
    with path.open("rb") as file:
        file.seek(start)
        return file.read(min(sum(column.total_compressed_size for column in columns), KEPT_BYTES))


def dataset_rows(path: Path, name: str) -> Iterator[Record]:
    """Rows of a dataset, streamed, split by split in order of name.

    Args:
        path: Folder made by `save_to_disk`; or, where nothing lies there, a name for `datasets.load_dataset`.
        name: What to call it.

    Raises:
        Problem: `datasets` cannot load it.
    """
    import datasets

    try:
        if path.is_dir():
            saved = datasets.load_from_disk(str(path))
            splits = saved if isinstance(saved, datasets.DatasetDict) else {"all": saved}
            streams = {split: splits[split].to_iterable_dataset() for split in splits}
        else:
            streams = dict(datasets.load_dataset(str(path), streaming=True))
        for split in sorted(streams):
            for number, row in enumerate(streams[split], start=1):
                yield Record(name, f"row {number} of split {split}", None, row)
    except Exception as error:  # whatever the library, the hub or the network raise
        what = "a folder saved by datasets" if path.is_dir() else "no file here, and not loaded from the hub either"
        raise Problem(f"{path}: {what}: {type(error).__name__}; give a local file or a dataset's name.") from None
