"""A pool of processes for the steps that models do: one thread each, none left behind.

Models are loaded once in each process. Torch has one thread there, and in a run without a pool too: sums that threads
share out differently end in other bits, and a turn on a border would go the other way.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from schemas.problems import Problem

Result = TypeVar("Result")
ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1"),
    "TOKENIZERS_PARALLELISM": "false",
}


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(work: Callable[[Any], Result], tasks: Sequence[Any], workers: int) -> Iterator[Result]:
    """Results of `work` over tasks, in the order in which they are finished.

    Args:
        work: A function at the top of a module, which keeps its models in its module.
        tasks: What can be pickled.
        workers: Processes; with one, or one task, the work is done in this process.

    Raises:
        Problem: A process was ended from outside, as by a machine without memory left.
    """
    workers = min(workers, len(tasks))
    if workers <= 1:
        with single_thread():
            yield from map(work, tasks)
        return
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)  # before the processes are born: libraries read these at import
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(os.getpid(),))
    try:
        futures = [pool.submit(work, task) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
        pool.shutdown()
    except BaseException as error:
        # Nobody waits for what is being worked on: what is finished is in the store.
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise Problem(
                "A worker process was ended from outside; that happens when memory runs out. Finished shards are kept: "
                "run the same command again, with a lower curation.workers or curation.shard_rows."
            ) from None
        raise
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def single_thread() -> Iterator[None]:
    """Torch with one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _begin(parent: int) -> None:
    """Set a new process up: Ctrl-C is left to the parent, and it ends when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)
    import torch

    torch.set_num_threads(1)
