"""How far a long piece of work is: lines and bars for people, tasks for scikit-learn's callbacks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupport
except ImportError:  # scikit-learn before 1.9

    class CallbackSupport:  # type: ignore[no-redef]
        """Callbacks came with scikit-learn 1.9; an estimator does without."""


# Work that is done sooner shows no bar.
_SECONDS_BEFORE_BAR = 0.5

# Seconds between two lines, where there are no bars.
_SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """What work reports to where nobody listens; :func:`progress_of` gives one that shows."""

    def say(self, message: str) -> None:
        """Take a line on what happens."""

    @contextmanager
    def stage(
        self, name: str, n_steps: int | None = None, estimator: Any = None
    ) -> Iterator[Progress]:
        """A part of the work.

        Parameters
        ----------
        name : str
        n_steps : int, default=None
            How often :meth:`step` will be called, at most; 0 for work that is done in one piece;
            None for work that has stages of its own, or where it is not known.
        estimator : estimator, default=None
            What is fitted in this stage: reports to the same callbacks, if it can.

        Yields
        ------
        Progress
            Of the stage.
        """
        yield self

    def step(self) -> bool:
        """One more step is done.

        Returns
        -------
        bool
            Whether a callback wants no more of them; what is found so far then is the result.
        """
        return False


SILENT = Progress()


class _Shown(Progress):
    """Progress of one estimator, or of a stage of it.

    Parameters
    ----------
    owner : estimator
        With ``verbose``, and callbacks where it has any.
    context : sklearn.callback.CallbackContext or None
        None where there are no callbacks.
    bar : _Bar or None
    """

    def __init__(self, owner: Any, context: Any, bar: Any = None):
        self._owner = owner
        self._context = context
        self._bar = bar

    def say(self, message: str) -> None:
        if self._owner.verbose:
            print(f"[{type(self._owner).__name__}] {message}")

    @contextmanager
    def stage(
        self, name: str, n_steps: int | None = None, estimator: Any = None
    ) -> Iterator[Progress]:
        context = self._subcontext(name, n_steps)
        bar = _bar(self._owner, name, n_steps) if self._owner.verbose and n_steps else None
        with _handing_on(context, estimator), nullcontext() if bar is None else closing(bar):
            if context is not None:
                context.call_on_fit_task_begin(estimator=self._owner)
            yield _Shown(self._owner, context, bar)
            if context is not None:
                context.call_on_fit_task_end(estimator=self._owner)

    def step(self) -> bool:
        if self._bar is not None:
            self._bar.update()
        context = self._subcontext("step", 0)
        if context is None:
            return False
        context.call_on_fit_task_begin(estimator=self._owner)
        return context.call_on_fit_task_end(estimator=self._owner)

    def _subcontext(self, name: str, n_steps: int | None) -> Any:
        parent = self._context
        if parent is None:
            return None
        announced = parent.max_subtasks
        if announced is not None and len(parent._children_map) >= announced:
            return None  # more than were announced: those that were have been shown
        return parent.subcontext(task_name=name, max_subtasks=n_steps)


def _handing_on(context: Any, estimator: Any) -> AbstractContextManager[None]:
    """While an estimator is fitted, it has the callbacks of those around it."""
    # scikit-learn warns of estimators that take no callbacks, and most ensembles are such.
    if context is None or not hasattr(estimator, "set_callbacks"):
        return nullcontext()
    return context.propagate_callback_context(estimator)


@contextmanager
def progress_of(
    estimator: Any, X: Any, y: Any, sample_weight: Any, n_stages: int
) -> Iterator[Progress]:
    """Progress of the ``fit`` of an estimator.

    Parameters
    ----------
    estimator : estimator
        Says by ``verbose`` whether lines and bars are shown; a :class:`CallbackSupport`.
    X, y, sample_weight
        What it is fitted to, for callbacks.
    n_stages : int
        How many stages there will be, at most.

    Yields
    ------
    Progress
    """
    context = None
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    if hasattr(estimator, "_init_callback_context"):
        context = estimator._init_callback_context(max_subtasks=n_stages)
        context.call_on_fit_task_begin(estimator=estimator, X=X, y=y, metadata=metadata)
    yield _Shown(estimator, context)
    if context is not None:
        context.call_on_fit_task_end(
            estimator=estimator, X=X, y=y, metadata=metadata, reconstruction_attributes=dict
        )


def _bar(owner: Any, name: str, n_steps: int) -> Any:
    """A bar of tqdm's where that is installed, else lines now and then."""
    title = f"[{type(owner).__name__}] {name}"
    try:
        from tqdm import tqdm
    except ImportError:
        return _Lines(title, n_steps)
    return tqdm(total=n_steps, desc=title, leave=False, delay=_SECONDS_BEFORE_BAR)


class _Lines:
    """What tqdm's bar does here, in lines."""

    def __init__(self, title: str, total: int):
        self._title = title
        self._total = total
        self._done = 0
        self._last = time.perf_counter()

    def update(self) -> None:
        self._done += 1
        now = time.perf_counter()
        if now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            print(f"{self._title}: {self._done} of {self._total}")

    def close(self) -> None:
        pass


__all__ = ["SILENT", "CallbackSupport", "Progress", "progress_of"]
