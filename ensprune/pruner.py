"""EnsemblePruner and prune(): judges, selector, cut.

How to read, judge, search and cut is decided in the rooms below; this one only leads through them.
"""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    _fit_context,
    is_classifier,
    is_regressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.metrics._scorer import _Scorer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.validation import check_is_fitted

from .arguments import N_JOBS, RANDOM_STATE, labelled_rows, labels_or_values, values_of
from .budget import CostLike, budget_of, check_cost, check_target_size, member_costs
from .certificate import Auditor
from .combination import Combination
from .delegation import DelegatesToEnsemble, PredictsWithPruned
from .judging import Judging, members_of
from .members.base import Members
from .members.opening import check_family, foretold, open_members
from .members.steps import last_step
from .objectives.registry import ScorerLike, default_scorer, make_objective, metric_name
from .objectives.squared import SquaredError
from .path import PathPoint
from .progress import CallbackSupport, Progress, progress_of
from .rechoosing import rechosen_score
from .refine import make_refinement
from .reporting import Judged, Reports
from .retraining import REFINED, Rounds, retrain, rounds_of
from .scoring import as_scorer, check_answers, check_scores
from .selectors.allocation import for_combiner
from .selectors.base import Problem, Selector, make_selector
from .sizing import Choice, choose
from .validation import Validation
from .whole import take_over, unfitted_twin


class EnsemblePruner(
    DelegatesToEnsemble,
    PredictsWithPruned,
    Reports,
    CallbackSupport,
    MetaEstimatorMixin,
    BaseEstimator,
):
    """Cut an ensemble down to a budget while keeping its validation score.

    Fits the ensemble (unless it comes frozen), reads what each member contributes on validation
    rows, searches for the sub-ensemble that scores best within the budget, and cuts: the result
    is a real, smaller estimator of the same class that works without ensprune.

    Parameters
    ----------
    estimator : estimator
        An ensemble to fit; ``FrozenEstimator(fitted)`` for one that is fitted already; or a
        pipeline, search or calibrated classifier around one. See
        :func:`ensprune.members.open_members` for the families.
    target_size : int, float, "auto" or "1se", default=0.1
        - int: a budget in units of ``cost``.
        - float in (0, 1]: a share of the full cost.
        - ``"auto"``: the cheapest sub-ensemble on the path that scores at least the full score
          minus ``tolerance``; with ``confidence``, the smallest that is certified to. The full
          ensemble where no other does.
        - ``"1se"``: the cheapest that scores within one standard error of the best on the path.
    selector : {"greedy", "auto", "ilp", "ordering", "weights", "cluster", "first", "random"} or \
Selector, default="greedy"
        The search. ``"auto"`` takes one by the kind and size of the ensemble
        (:class:`~ensprune.selectors.AutoSelector`). A :class:`~ensprune.selectors.Selector` object
        carries its own options.
    scoring : str or callable, default=None
        Any scikit-learn scoring string or scorer callable. None is the estimator's default:
        accuracy or R2.
    tolerance : float, default=0.0
        With ``target_size="auto"``: how much of the score may be lost, in the unit of the score.
    confidence : float, default=None
        In (0, 1), such as 0.95: half of the validation rows (stratified for classifiers) choose
        the members, the other half bounds what the cut loses, with this confidence;
        ``certificate_`` has the bound, and the scores are those of the second half. None takes
        the score on the rows that chose the members at its word. See the notes.
    validation : {"auto", "oob"} or float, default="auto"
        Which rows judge the members, unless ``fit`` is given ``X_val``.

        - ``"oob"``: out-of-bag. A member speaks only for the training rows it has not seen;
          nothing is held out. For ensembles that bootstrap; for stacking models, which
          cross-fit their base learners: the members' out-of-fold predictions that the final
          estimator is trained on (of five larger folds where it has more), combined by final
          estimators fitted without the same fold; and for voting models, unless ``refine`` is
          given: their members are fitted five times more, each time without a fifth of the rows.
          Voting and stacking models that end a pipeline are not cross-fitted.
        - float in (0, 1): this share of the rows is held out (stratified for classifiers) before
          the ensemble is fitted on the rest.
        - ``"auto"``: ``"oob"`` where that can be, and the ``selector`` can do with it, else 0.25.
          Bootstraps that leave rows of some class to less than a tenth of the members count as none:
          scikit-learn 1.9 and later draw by weights, so under ``class_weight="balanced"`` nearly all
          rows of a rare class are drawn (``"oob"`` warns then, and certifies nothing). With a frozen
          ensemble all rows given are validation rows.
    cost : {"members", "nodes", "bytes", "latency"} or array-like of shape (n_members,), \
default="members"
        What a member costs: 1 each, tree nodes, pickled bytes, seconds per 1,000 rows (measured
        on validation rows), or the numbers given.
    refine : {"leaves", "weights"}, default=None
        What is fitted anew after the cut; how strongly is chosen at ``target_size``, or, where
        ``"auto"`` certifies sizes, at every half of the size before.

        - ``"leaves"``: the leaf values of all kept trees together (:func:`ensprune.refine_leaves`
          says how, and for which families). Out of bag they are fitted to the training rows;
          with a hold-out to training and held-out rows, with a frozen ensemble to the rows given.
          Out of bag the trees are chosen for it, too: by what each can say once its leaves are fitted
          to what the teachers of the leaves say. Not under a ``sample_weight``, nor where ``memory_limit``
          puts outputs on disk, nor by selectors that ask about each sample (``"ilp"`` other than by
          squared error).
        - ``"weights"``: the weights of the kept members, of least squared error (averages) or of
          least loss of the link (boosting), non-negative, on rows the members have not seen. They
          are moved part of the way there, by cross-fitting, and stay where it does not help. For
          families that carry weights: forests, bagging of trees, voting, AdaBoost classifiers,
          gradient boosting, XGBoost, LightGBM.
    retrain : bool, default=False
        For an unfitted boosting model: whether to boost anew, too, for as many rounds as the cut
        keeps (as many as ``target_size`` allows where ``cost`` is another) at up to five learning
        rates from its own to eight times that, on the rows the full model was fitted on; to refine
        the leaves of the best one; and to keep what scores best on the validation rows. It takes a
        few more fits of a small model; ``retrained_`` says which it was.
    deep : bool, default=False
        Whether to prune inside the members too, where they are ensembles: the trees of a forest
        and the rounds of an XGBoost model in one ``VotingClassifier`` then share the budget. For
        voting, stacking and bagging, see Notes.
    n_jobs : int, default=None
        Threads for reading members and scoring candidates. None is 1 unless in a
        ``joblib.parallel_config`` context; -1 is all processors.
    random_state : int, RandomState instance or None, default=None
        Splits off the hold-out, and seeds selectors that draw. Not passed to the ensemble.
    verbose : int, default=0
        Above 0, prints a line per stage of the work, and shows a bar while a search goes on if
        tqdm is installed.
    memory_limit : int, default=None
        Bytes that judging the members may take on top of the data and the ensemble. If the
        members' outputs do not fit, they go to a temporary file (in ``tempfile.gettempdir()``),
        which vanishes with them. ``refine`` comes on top, as what the members kept say of all rows
        is held in memory, and so does what voting and stacking models say out of fold. None keeps
        everything there.

    Attributes
    ----------
    pruned_estimator_ : estimator
        The smaller ensemble, of the class of the ensemble given.
    estimator_ : estimator
        The full fitted ensemble.
    selected_ : ndarray of shape (n_kept,), dtype int
        Members kept, in the order chosen.
    support_ : ndarray of shape (n_full,), dtype bool
        Mask of the members kept.
    weights_ : ndarray of shape (n_kept,)
        Factors on the native weights of the members in ``selected_``; ones where nothing was
        re-weighted.
    n_members_ : int
        Number of members kept.
    path_ : PruningPath
        The sub-ensembles the search visited, up to the budget.
    certificate_ : Certificate or None
        With ``confidence``: the bound on the loss, the test, the rows, and, as ``str``, a sentence
        that says so.
    score_full_, score_pruned_ : float
        The metric of the full and of the pruned ensemble on the validation rows. Unless
        ``confidence`` is given the members were chosen on these rows, so ``score_pruned_`` is
        optimistic. Out of bag, a row is judged
        by the kept members that have not seen it, about a third of them, which makes it
        pessimistic for small sizes. With ``refine``, ``score_pruned_`` is the
        ``score_refined`` of the path: each row predicted by a copy refined without it, or, for
        leaves out of bag, by as many trees (60 at most) grown and refined without it, which nobody
        chose.
    cost_full_, cost_pruned_ : float
        Total cost before and after.
    refinement_ : object
        With ``refine``: what was chosen and what it is worth, a frozen dataclass.
    retrained_ : RetrainReport
        With ``retrain``: which model was kept, and the scores of all, a frozen dataclass. If it is
        a retrained one, ``pruned_estimator_``, ``n_members_``, ``score_pruned_`` and
        ``cost_pruned_`` are of it; ``selected_``, ``support_``, ``weights_``, ``path_`` and
        :meth:`at` still tell of cuts of the full model.
    selector_result_ : object
        What the selector reports: a frozen dataclass.
    classes_ : ndarray of shape (n_classes,)
        Labels; classifiers only.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        As the full ensemble has them.

    Notes
    -----
    Out of bag the search minimises the squared error (Brier score for classifiers) whatever
    ``scoring`` says, on the pairwise Gram matrix ``G_ij = mean of <e_i, e_j>`` over the rows out
    of bag for both, less what is hard about these rows, and drawn towards its additive part as far
    as it is noise (:func:`ensprune.objectives.out_of_bag.out_of_bag_gram`); the path is scored with
    ``scoring``.

    With ``confidence`` the rows that certify have no part in choosing. With held-out rows they are
    independent of the members too, and the bound holds as its test says. Out of bag the rows are
    split in the same way, and each is answered by the members that did not train on it, of the
    full ensemble and of the pruned one alike. Two things are assumed there. The rows are taken as
    independent of each other and of the choice, though a row that certifies did train some of the
    members that the other rows chose among; by swapping one row that changes little.
    And what is bounded is the loss between the out-of-bag votes, about a third of the members on
    either side: a small sub-ensemble loses more that way than whole, so the bound is on the
    cautious side. ``benchmarks/certificate.py`` counts how often it is wrong. Out of fold, too,
    the rows of one half are answered by what was fitted to rows of both. A ``selector`` that
    answers for one budget only (``"ilp"``) is asked, of more than 32 members, for budgets each
    twice the one before, and ``target_size="auto"`` certifies one of these sizes: tests go from
    large to small, and to search for each size that other paths are tested at would take about six
    times as long. Any one size is certified if it is given as ``target_size``.

    With ``deep=True`` the members are those of all the ensembles inside, one ensemble after the
    other (through pipelines, searches and voting in voting); a member that is no ensemble, or a
    stacking model inside another ensemble, is one member. ``selected_``, ``support_``,
    ``weights_``, ``n_members_``, ``cost`` and the path count and number these. ``selector`` makes
    a path for each ensemble inside, :class:`~ensprune.selectors.AllocationSelector` hands the
    budget out between them by ``scoring`` of the whole and keeps the better of that and of
    dropping whole members; ``selector_result_.kept`` says how many members are left in each. An
    ensemble of which nothing is left is dropped. Nothing is out of bag then. For ensembles with no
    ensemble inside, such as forests, nothing changes.

    For its :meth:`report` a fitted pruner keeps a few of the rows that judged the members, at most
    1,000 and about a megabyte of them; ``pruned_estimator_`` keeps none.

    With scikit-learn 1.9 and later, ``set_callbacks`` takes its callbacks: ``ProgressBar`` shows
    the stages of the work and the steps of the search, and is handed on to the ensemble while it
    is fitted. A callback that asks to stop after a step of the search ends the search there.

    References
    ----------
    Breiman, "Out-of-bag estimation", technical report, UC Berkeley (1996). Caruana et al.,
    "Ensemble selection from libraries of models", ICML 2004.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from ensprune import EnsemblePruner
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> forest = RandomForestClassifier(100, random_state=0)
    >>> pruner = EnsemblePruner(forest, target_size=10).fit(X, y)
    >>> pruner.pruned_estimator_
    RandomForestClassifier(n_estimators=10, random_state=0)
    >>> pruner.at(5).n_estimators
    5
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit"]), HasMethods(["predict"])],
        # Ranges depend on the ensemble: budget.py says what is allowed.
        "target_size": [numbers.Integral, numbers.Real, StrOptions({"auto", "1se"})],
        "selector": [str, HasMethods(["select"])],
        "scoring": [str, callable, None],
        "tolerance": [Interval(numbers.Real, 0, None, closed="left")],
        "confidence": [None, Interval(numbers.Real, 0, 1, closed="neither")],
        "validation": [
            StrOptions({"auto", "oob"}),
            Interval(numbers.Real, 0, 1, closed="neither"),
        ],
        "cost": [StrOptions({"members", "nodes", "bytes", "latency"}), "array-like"],
        "refine": [str, None],
        "retrain": ["boolean"],
        "deep": ["boolean"],
        "n_jobs": N_JOBS,
        "random_state": RANDOM_STATE,
        "verbose": ["verbose"],
        "memory_limit": [Interval(numbers.Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        estimator: Any,
        target_size: int | float | str = 0.1,
        selector: str | Selector = "greedy",
        scoring: ScorerLike | None = None,
        tolerance: float = 0.0,
        confidence: float | None = None,
        validation: str | float = "auto",
        cost: CostLike = "members",
        refine: str | None = None,
        retrain: bool = False,
        deep: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        memory_limit: int | None = None,
    ):
        self.estimator = estimator
        self.target_size = target_size
        self.selector = selector
        self.scoring = scoring
        self.tolerance = tolerance
        self.confidence = confidence
        self.validation = validation
        self.cost = cost
        self.refine = refine
        self.retrain = retrain
        self.deep = deep
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.memory_limit = memory_limit

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight: Any = None,
        sample_weight_val: Any = None,
        **fit_params: Any,
    ) -> EnsemblePruner:
        """Fit the ensemble, choose members on validation rows, and cut.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows; validation rows where the estimator is frozen.
        y : array-like of shape (n_samples,)
            Labels or target values.
        X_val : array-like of shape (n_val, n_features), default=None
            Explicit validation rows; nothing is held out then.
        y_val : array-like of shape (n_val,), default=None
            Their labels or values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows of ``X``, for the fit of the ensemble and for the metric.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the rows of ``X_val`` for the metric.
        **fit_params : dict
            Handed to the ensemble's ``fit``; with metadata routing enabled, routed there.

        Returns
        -------
        self : EnsemblePruner
            Fitted attributes are set together at the very end. After an error, or an interrupt by
            Ctrl-C at any moment, the pruner is what it was before: not fitted, or fitted as by the
            call before. The ensemble given is left as it was in any case.

        Raises
        ------
        KeyboardInterrupt
            By Ctrl-C, within about a second, also while a solver is at work.
        ValueError
            If a parameter is out of range for this ensemble, ``validation="oob"`` is asked of an
            ensemble that leaves no rows out (nearly none of a class, with ``confidence``) or was
            trained on other rows, ``y_val`` has labels not seen in training, a member outputs NaN,
            or ``memory_limit`` is too small.
        OSError
            If there is not enough room on disk for what ``memory_limit`` puts there.
        TypeError
            If the estimator is no ensemble that can be cut.
        """
        self._check_estimator_kind()
        self._check_given(y, X_val, y_val, sample_weight_val, fit_params)
        X, y, sample_weight = labelled_rows(X, y, sample_weight)
        if is_regressor(self):
            y = values_of(y)
        self._check_parameters(y, y if y_val is None else labels_or_values(y_val, "y_val"))
        selector = make_selector(self.selector)
        self._check_foretold(selector)
        rounds = self._rounds() if self.retrain else None

        n_stages = 2 + (not isinstance(self.estimator, FrozenEstimator)) + bool(self.retrain)
        with progress_of(self, X, y, sample_weight, n_stages) as progress:
            judging = Judging(
                self.estimator,
                self.validation,
                self.confidence,
                self.deep,
                self.n_jobs,
                self.random_state,
                self.memory_limit,
                self.refine is not None,
                self._params_for_fit,
                self._scorer,
                self._check_scoring,
                selector,
                progress,
            )
            if X_val is not None:
                judged = labelled_rows(X_val, y_val, sample_weight_val, "_val")
                judges = judging.on_given_rows((X, y, sample_weight), judged, fit_params)
            elif isinstance(self.estimator, FrozenEstimator):
                judges = judging.of_frozen((X, y, sample_weight))
            else:
                judges = judging.of_unfitted((X, y, sample_weight), fit_params)
            fitted = unfitted_twin(self)
            searched = fitted._select(*judges, selector, progress)
            if rounds is not None:
                fitted._retrain(rounds, judging.fit_alike, judges[0], progress, *searched)
            take_over(self, fitted)
        return self

    # --- what the judging of members needs to be told -------------------------------------------

    def _check_estimator_kind(self) -> None:
        if isinstance(self.estimator, FrozenEstimator):
            open_members(self.estimator)
            return
        if not hasattr(self.estimator, "fit"):
            name = type(self.estimator).__name__
            raise TypeError(
                f"estimator={name} has no fit method; give an unfitted ensemble, or "
                f"FrozenEstimator({name.lower()}) for a fitted model"
            )
        check_family(last_step(self.estimator)[1])

    def _check_given(
        self, y: Any, X_val: Any, y_val: Any, sample_weight_val: Any, fit_params: dict[str, Any]
    ) -> None:
        """Whether what ``fit`` was given goes together."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        if (X_val is None) != (y_val is None):
            given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
            raise ValueError(f"{given} was given without {missing}; give both or neither")
        if X_val is None and sample_weight_val is not None:
            raise ValueError("sample_weight_val was given without X_val and y_val")
        if fit_params and isinstance(self.estimator, FrozenEstimator):
            raise ValueError(
                f"the estimator is frozen and takes no fit parameters, got {sorted(fit_params)}"
            )
        if X_val is not None and self.validation == "oob":
            raise ValueError("validation='oob' takes no X_val; give validation='auto'")

    def _check_parameters(self, y: np.ndarray, judged: np.ndarray) -> None:
        """What can be told before anything is fitted to ``y``, which may take hours."""
        frozen = isinstance(self.estimator, FrozenEstimator)
        if not frozen:
            check_target_size(self.target_size)
        if not isinstance(self.cost, str):
            check_cost(self.cost)
        self._check_scoring(judged, getattr(self.estimator, "classes_", None) if frozen else y)
        if self.refine is not None:
            refinement = make_refinement(self.refine, self.n_jobs, self.random_state)
            if not frozen:
                refinement.check(self.estimator)

    def _check_foretold(self, selector: Selector) -> None:
        """What the parameters of an unfitted ensemble tell: can it be searched so, is it so large?"""
        known = None if isinstance(self.estimator, FrozenEstimator) else foretold(self.estimator)
        if self.deep:  # the members are others then
            known = None
        if isinstance(selector, Selector):
            selector.check(known)
        if known is not None and known.exactly is not None and not isinstance(self.cost, str):
            check_cost(self.cost, known.exactly)
        counted = isinstance(self.cost, str) and self.cost == "members"
        if self.deep or not counted or isinstance(self.target_size, str):
            return
        budget = self._foretold_budget(known)
        if budget is not None and isinstance(selector, Selector):
            selector.check_size(budget)

    def _foretold_budget(self, known: Combination | None) -> float | None:
        """How many members may be kept, where that shows before they are there; refuses too many."""
        asked = self.target_size
        most = None if known is None else known.n_members
        if not isinstance(asked, numbers.Integral):
            exactly = None if known is None else known.exactly
            return exactly and self._budget(asked, np.ones(exactly), self.estimator)
        # There may be a billion where boosting stops early: as many as are asked for is enough to see.
        if isinstance(most, numbers.Integral) and asked > most > 0:
            self._budget(asked, np.ones(int(most)), self.estimator)
        return float(asked)

    def _check_scoring(self, y: np.ndarray, known: np.ndarray | None = None) -> None:
        """Whether ``scoring`` can score labels, of all those known, and the ensemble's answers."""
        if self.scoring is None:
            return
        scorer = as_scorer(self.scoring, self)
        # If these are all a regressor's values, some of them judge, which is still open.
        if is_classifier(self) or (is_regressor(self) and y is not known):
            check_scores(scorer, self.scoring, y, known, classifies=is_classifier(self))
        if not isinstance(self.estimator, FrozenEstimator):
            check_answers(scorer, self.estimator)

    def _rounds(self) -> Rounds:
        """What can be retrained, if anything can."""
        if isinstance(self.estimator, FrozenEstimator):
            raise ValueError(
                "retrain=True boosts anew on the rows the ensemble was fitted on, which are not "
                "known of one that is fitted already; give EnsemblePruner the unfitted model"
            )
        if self.confidence is not None:
            raise ValueError(
                f"retrain=True compares by scores, and confidence={self.confidence} certifies cuts "
                "of the full model only; give one of the two"
            )
        if not isinstance(self.cost, str):
            raise ValueError(
                "retrain=True needs a cost that new rounds have, too; give 'members', 'nodes', "
                "'bytes' or 'latency' instead of an array"
            )
        return rounds_of(self.estimator)

    def _params_for_fit(self, sample_weight: Any, fit_params: dict[str, Any]) -> dict[str, Any]:
        if _routing_enabled():
            given = dict(fit_params)
            if sample_weight is not None:
                given["sample_weight"] = sample_weight
            return process_routing(self, "fit", **given).estimator.fit
        params = dict(fit_params)
        if sample_weight is not None:
            params[f"{last_step(self.estimator)[0]}sample_weight"] = sample_weight
        return params

    def _scorer(self, members: Members) -> Any:
        if self.scoring is None:
            searched_for = getattr(members.estimator, "scorer_", None)
            if isinstance(members.estimator, BaseSearchCV) and isinstance(searched_for, _Scorer):
                return searched_for
            return default_scorer(members.combiner)
        return as_scorer(self.scoring, self)

    # --- search and cut -------------------------------------------------------------------------

    def _select(
        self,
        validation: Validation,
        certification: Validation | None,
        selector: Selector,
        progress: Progress,
    ) -> tuple[Problem, Selector]:
        """Search, cut and keep what there is to know of it; returns what was searched, and how."""
        problem = self._problem(validation)
        progress.say(
            f"choosing with {type(selector).__name__} within {problem.budget:g} {self._unit}"
        )
        selector = for_combiner(selector, problem.combiner)
        choice = self._choose(problem, selector, validation, certification, progress)
        self._keep(choice, problem.costs, validation, certification)
        progress.say(
            f"kept {self.n_members_} of {len(self.support_)} members: score "
            f"{self.score_pruned_:.6g}, all members {self.score_full_:.6g}"
        )
        return problem, selector

    @property
    def _unit(self) -> str:
        """What costs are counted in."""
        return self.cost if isinstance(self.cost, str) else "cost"

    def _budget(self, target_size: Any, costs: np.ndarray, ensemble: Any) -> float:
        return budget_of(target_size, costs, type(ensemble).__name__, self._unit)

    def _problem(self, validation: Validation) -> Problem:
        """What the selector gets to see."""
        members = validation.members
        costs = member_costs(members, self.cost, validation.X)
        if validation.mask is None:
            objective = make_objective(validation.scorer, validation.combiner)
        else:
            objective = SquaredError("mse" if validation.combiner.classes is None else "brier")
        return Problem(
            outputs=validation.outputs,
            y=validation.y,
            combiner=validation.combiner,
            objective=objective,
            costs=costs,
            budget=self._budget(self.target_size, costs, members.estimator),
            sample_weight=validation.sample_weight,
            mask=validation.mask,
            rows=validation.X,
            carries_weights=members.carries_weights,
            n_jobs=self.n_jobs,
            random_state=self.random_state,
        )

    def _choose(
        self,
        problem: Problem,
        selector: Selector,
        validation: Validation,
        certification: Validation | None,
        progress: Progress,
    ) -> Choice:
        auditor = None
        if certification is not None and self.confidence is not None:
            auditor = Auditor(
                certification,
                self.confidence,
                metric_name(self.scoring, validation.scorer),
                len(validation.y),
                self.random_state,
            )
        refinement = None
        if self.refine is not None:
            refinement = make_refinement(self.refine, self.n_jobs, self.random_state)
        with progress.stage("choosing") as stage:
            return choose(
                dataclasses.replace(problem, progress=stage),
                selector,
                validation,
                self.target_size,
                float(self.tolerance),
                auditor,
                refinement,
            )

    def _keep(
        self,
        choice: Choice,
        costs: np.ndarray,
        validation: Validation,
        certification: Validation | None,
    ) -> None:
        """Cut, and set all that is known of it."""
        members, chosen = validation.members, choice.point
        self.certificate_ = choice.certificate
        self._refinement = choice.refinement
        if self.refine is not None:
            self.refinement_ = None if self._refinement is None else self._refinement.report
        self.estimator_ = members.estimator
        self.path_ = choice.path
        self.selector_result_ = choice.path.result
        self.selected_ = np.array(chosen.indices, dtype=np.intp)
        self.support_ = np.zeros(members.n_members, dtype=bool)
        self.support_[self.selected_] = True
        weights = chosen.weight_array
        self.weights_ = np.ones(chosen.size) if weights is None else weights
        self.n_members_ = chosen.size
        judge = certification or validation
        self.score_full_, se_full = judge.score_full()
        se_pruned = chosen.score_se if self._refinement is None else float("nan")
        role = "chose" if certification is None else "certified"
        self._judged = Judged.on(judge.X, role, se_full, se_pruned, judge.judges_unseen)
        self.score_pruned_ = chosen.score if self._refinement is None else chosen.score_refined
        self.cost_full_ = float(costs.sum())
        self.cost_pruned_ = chosen.cost
        self._costs = costs
        self._refit_rows = members.training
        self.pruned_estimator_ = self._cut(members, chosen)

    def _retrain(
        self,
        rounds: Rounds,
        fit: Callable[[Any], Any],
        validation: Validation,
        progress: Progress,
        problem: Problem,
        selector: Selector,
    ) -> None:
        """Boost anew, and keep that if it scores better than the cut."""
        progress.say(
            f"retraining for {self.n_members_} rounds at {len(rounds.rates)} learning rates"
        )
        budget = self.cost_pruned_
        if not isinstance(self.target_size, str):
            budget = self._budget(self.target_size, self._costs, self.estimator_)
        with progress.stage("retraining") as stage:
            problem = dataclasses.replace(problem, budget=budget, progress=stage)
            self.retrained_, model = retrain(
                rounds,
                fit,
                validation,
                self.n_members_,
                str(self.cost),
                budget,
                rechosen_score(problem, selector, validation, self._refinement),
                self.random_state,
            )
        report = self.retrained_
        if model is not None:
            members = open_members(model)
            self.pruned_estimator_ = model
            self._judged = dataclasses.replace(self._judged, se_pruned=float("nan"))
            self.n_members_ = members.n_members
            self.cost_pruned_ = float(member_costs(members, self.cost, validation.X).sum())
            self.score_pruned_ = (
                report.score_refined if report.kept == REFINED else report.score_retrained
            )
        progress.say(f"kept the {report.kept} model: score {self.score_pruned_:.6g}")

    def at(self, target_size: int | float) -> Any:
        """The pruned estimator at another point of the same path, with nothing recomputed.

        Refined as strongly as at the fitted ``target_size``, where ``refine`` says so.

        Parameters
        ----------
        target_size : int or float
            As the parameter of that name, up to the budget of the fit.

        Returns
        -------
        estimator
            A new estimator of the class of the ensemble.

        Raises
        ------
        ValueError
            If the path does not reach that far, or has no point that cheap.
        """
        check_is_fitted(self, "path_")
        if isinstance(target_size, str):
            raise TypeError(
                f"target_size={target_size!r} is no size; give an int or a float in (0, 1]"
            )
        budget = self._budget(target_size, self._costs, self.estimator_)
        last = self.path_[-1].cost
        fitted_budget = self._budget(self.target_size, self._costs, self.estimator_)
        if budget > fitted_budget * (1 + 1e-9):
            raise ValueError(
                f"target_size={target_size} is a budget of {budget:g}, but the path was searched "
                f"up to {fitted_budget:g} and ends at {last:g}; fit with a larger target_size"
            )
        point = self.path_.within(budget)
        members = members_of(self.estimator_, self.deep)
        members.training = self._refit_rows
        return self._cut(members, point)

    def _cut(self, members: Members, point: PathPoint) -> Any:
        small = members.subset(point.indices, point.weight_array)
        return small if self._refinement is None else self._refinement(small)

    def get_metadata_routing(self) -> MetadataRouter:
        """Metadata routing: ``fit`` consumes weights itself and routes to the ensemble's ``fit``.

        Returns
        -------
        MetadataRouter
            What each of the two asks for.
        """
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                estimator=self.estimator,
                method_mapping=MethodMapping().add(caller="fit", callee="fit"),
            )
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        try:
            inner = get_tags(self.estimator)
        except AttributeError:  # a raw Booster describes itself to nobody
            return tags
        tags.estimator_type = inner.estimator_type
        if inner.classifier_tags is not None:
            tags.classifier_tags = dataclasses.replace(inner.classifier_tags, multi_label=False)
        tags.regressor_tags = inner.regressor_tags
        tags.transformer_tags = inner.transformer_tags
        tags.input_tags = inner.input_tags
        tags.array_api_support = False
        tags.target_tags.required = True
        return tags


def prune(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    target_size: int | float | str = 0.1,
    selector: str | Selector = "greedy",
    scoring: ScorerLike | None = None,
    tolerance: float = 0.0,
    confidence: float | None = None,
    validation: str = "auto",
    cost: CostLike = "members",
    refine: str | None = None,
    retrain: bool = False,
    deep: bool = False,
    sample_weight: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
    memory_limit: int | None = None,
) -> Any:
    """Cut a fitted ensemble down; :class:`EnsemblePruner` on a frozen estimator, as one call.

    Parameters
    ----------
    estimator : estimator
        A fitted ensemble. It is left as it was.
    X : array-like of shape (n_samples, n_features)
        Validation rows; with ``validation="oob"`` the ensemble's own training rows, in their order.
    y : array-like of shape (n_samples,)
        Their labels or values.
    target_size, selector, scoring, tolerance, confidence, validation, cost, refine : optional
        As in :class:`EnsemblePruner`.
    retrain : bool, default=False
        Not possible here, as the rows that the ensemble was fitted on are not known: give
        :class:`EnsemblePruner` the unfitted model.
    deep : bool, default=False
        As in :class:`EnsemblePruner`.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows for the metric; out of fold members are fitted anew with them, too.
    n_jobs, random_state, verbose, memory_limit : optional
        As in :class:`EnsemblePruner`.

    Returns
    -------
    estimator
        A new, smaller estimator of the same class.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the ensemble is not fitted.
    TypeError, ValueError
        As :meth:`EnsemblePruner.fit`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from ensprune import prune
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(100, random_state=0).fit(X, y)
    >>> prune(forest, X, y, target_size=10, validation="oob").n_estimators
    10
    """
    frozen = estimator if isinstance(estimator, FrozenEstimator) else FrozenEstimator(estimator)
    pruner = EnsemblePruner(
        frozen,
        target_size=target_size,
        selector=selector,
        scoring=scoring,
        tolerance=tolerance,
        confidence=confidence,
        validation=validation,
        cost=cost,
        refine=refine,
        retrain=retrain,
        deep=deep,
        n_jobs=n_jobs,
        random_state=random_state,
        verbose=verbose,
        memory_limit=memory_limit,
    )
    return pruner.fit(X, y, sample_weight=sample_weight).pruned_estimator_
