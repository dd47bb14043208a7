"""MLPPruner: an estimator that trains or takes an MLP and makes it sparse or narrow.

The loop only: what a weight is worth, which ones go and when is said in criteria, scopes and
schedules; how one layer or one set of neurons is cut in cut.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer_names
from sklearn.utils import _safe_indexing, check_random_state, column_or_1d, get_tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ..arguments import N_JOBS, RANDOM_STATE
from ..delegation import PredictsWithPruned
from ..replay import Replay
from ..reporting import Judged, Reports
from ..scoring import as_scorer, check_answers, check_scores
from ..standard_error import error_on
from ..whole import take_over, unfitted_twin
from .cut import check_plan, cut_neurons, cut_weights
from .finetune import finetune, rewound, train_from_start
from .holdout import hold_out
from .layer import METHODS, PrunedLayer
from .network import (
    check_is_mlp,
    check_target_known,
    check_weights_are_dense_and_finite,
    copy_network,
    layers_of,
)
from .neurons import NEURON_CRITERIA
from .path import SparsityPath, SparsityStep
from .schedules import SCHEDULES
from .scopes import SCOPES


class MLPPruner(PredictsWithPruned, Reports, MetaEstimatorMixin, BaseEstimator):
    """Prune the weights or the hidden neurons of an MLPClassifier or MLPRegressor.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Unfitted: a clone is trained first. ``FrozenEstimator(fitted)``: that network is pruned with
        the data given to `fit`, which may be another task's (same features, classes a subset).
        What is given here is never changed.
    sparsity : float or sequence of float, default=0.9
        Fraction of the weights that become zero, in [0, 1); with structure="neuron" of the hidden
        neurons that are removed. A sequence has one value per layer (per hidden layer for neurons)
        and goes with scope="layer". With a programme at least this fraction becomes zero.
    criterion : str, default="magnitude"
        What a weight is worth: "magnitude", "l2", "random", "taylor", "wanda" or "obs", see
        :func:`weight_scores`. For neurons also "activation" and "group_lasso", see
        :func:`neuron_scores`. "obs" also gives the remaining weights new values after every cut.
        Criteria that look at inputs see their deviations from the mean: intercepts carry the means.
    scope : {"global", "layer", "erk"}, default="global"
        Where scores are compared: over the whole network, within each layer, or within each layer
        with Erdos-Renyi-Kernel shares (:func:`erk_sparsities`).
    structure : {"weight", "neuron"}, default="weight"
        Zero single weights, or remove hidden neurons so that the layers become smaller.
    method : {"rank", "l1_program", "l0_program"}, default="rank"
        Drop the lowest ranks, or sparsify layer by layer by optimisation, see :func:`prune_layer`.
        Programmes ignore `criterion`, go with structure="weight" and schedule="one_shot", and treat
        each layer by itself: `scope` "global" has no meaning there and is read as "layer".
    schedule : {"cubic", "linear", "one_shot", "layerwise"}, default="cubic"
        How the sparsity grows, see :func:`schedule_fractions`. Programmes are always one-shot.
    n_steps : int, default=10
        Pruning steps of the schedule.
    finetune_epochs : int or sequence of int, default=2
        Epochs of training after each step; a sequence has one value per step. 0 for none.
    finetune_learning_rate : float, default=None
        Step size there; None means the network's ``learning_rate_init``. After the last step it
        falls linearly to a tenth.
    rewind : int, default=None
        Lottery-ticket rewinding: after each cut the remaining weights go back to what they were
        after this many epochs of the first training (0: the initial weights) before they are
        trained again. Needs an unfitted `estimator`, and for 1 or more one without early stopping.
    reconstruct : bool or "auto", default="auto"
        Refit the remaining weights of each layer to its outputs by least squares after each cut.
        "auto": where criterion="obs", and for structure="neuron" the layer after the removed
        neurons.
    epsilon : float, default=None
        Programmes only: allowed deviation of each output, in its standard deviations, instead of
        `sparsity`.
    time_limit : float, default=60.0
        Programmes only: seconds for each layer.
    max_samples : int, default=10000
        At most this many training rows (drawn at random) are used to compute scores, refits and
        programmes; "l0_program" is the more exact and the slower the more there are.
    scoring : str or callable, default=None
        A scikit-learn scorer for the path; None means the network's own `score`.
    validation : float or None, default=0.1
        Share of the rows given to `fit` that is held out (stratified) to score the path. None:
        nothing is held out and the path is scored on the training rows, which flatters.
    n_jobs : int, default=None
        Threads over output neurons for refits and programmes.
    random_state : int, RandomState instance or None, default=None
        Split, shuffling, subsample and the "random" criterion.

    Attributes
    ----------
    pruned_estimator_ : MLPClassifier or MLPRegressor
        The pruned network. It needs nothing of ensprune to predict.
    estimator_ : MLPClassifier or MLPRegressor
        The full network.
    masks_ : list of ndarray of bool
        structure="weight": one per layer, the shape of ``coefs_``, True for weights that stay.
        structure="neuron": one per hidden layer of the full network, True for neurons that stay.
    sparsity_ : float
        Fraction of zero weights, or of removed hidden neurons.
    layer_sparsities_ : ndarray of shape (n_layers,) or (n_hidden_layers,)
        The same for each layer.
    path_ : SparsityPath
        Sparsity and validation score after each step; ``path_.to_frame()`` is a DataFrame. The
        networks of all steps are kept for :meth:`at`.
    layer_results_ : list of PrunedLayer
        Programmes only: status, objective, bound and gap of each layer.
    score_full_, score_pruned_ : float
        Validation scores.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where `X` has column names.
    classes_ : ndarray
        Classifiers only.

    See Also
    --------
    prune_layer : The same for one layer given as arrays.
    compress : Smaller storage for the pruned network.
    sensitivity : How much each layer can lose.

    References
    ----------
    Han, Pool, Tran & Dally, NeurIPS 2015 (prune and retrain). Zhu & Gupta, 2017 (cubic schedule).
    Frankle & Carbin, The lottery ticket hypothesis, ICLR 2019; Frankle et al., ICML 2020 (rewinding).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from ensprune.mlp import MLPPruner
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((20,), learning_rate_init=0.01, tol=1e-3, max_iter=500, random_state=0)
    >>> pruner = MLPPruner(net, sparsity=0.5, random_state=0).fit(X, y)
    >>> sum(W.size for W in pruner.estimator_.coefs_), pruner.path_.steps[-1].n_weights
    (140, 70)
    >>> print(sum((W != 0).sum() for W in pruner.at(0.25).coefs_) <= 105)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": "no_validation",
        "sparsity": "no_validation",
        "criterion": [StrOptions(set(NEURON_CRITERIA))],
        "scope": [StrOptions(set(SCOPES))],
        "structure": [StrOptions({"weight", "neuron"})],
        "method": [StrOptions(set(METHODS))],
        "schedule": [StrOptions(set(SCHEDULES))],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "finetune_epochs": [Interval(Integral, 0, None, closed="left"), "array-like"],
        "finetune_learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "rewind": [Interval(Integral, 0, None, closed="left"), None],
        "reconstruct": ["boolean", StrOptions({"auto"})],
        "epsilon": [Interval(Real, 0, None, closed="neither"), None],
        "time_limit": [Interval(Real, 0, None, closed="neither")],
        "max_samples": [Interval(Integral, 1, None, closed="left")],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "validation": [Interval(Real, 0, 1, closed="neither"), None],
        "n_jobs": N_JOBS,
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self,
        estimator,
        sparsity=0.9,
        criterion="magnitude",
        scope="global",
        structure="weight",
        method="rank",
        schedule="cubic",
        n_steps=10,
        finetune_epochs=2,
        finetune_learning_rate=None,
        rewind=None,
        reconstruct="auto",
        epsilon=None,
        time_limit=60.0,
        max_samples=10_000,
        scoring=None,
        validation=0.1,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.sparsity = sparsity
        self.criterion = criterion
        self.scope = scope
        self.structure = structure
        self.method = method
        self.schedule = schedule
        self.n_steps = n_steps
        self.finetune_epochs = finetune_epochs
        self.finetune_learning_rate = finetune_learning_rate
        self.rewind = rewind
        self.reconstruct = reconstruct
        self.epsilon = epsilon
        self.time_limit = time_limit
        self.max_samples = max_samples
        self.scoring = scoring
        self.validation = validation
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, X_val=None, y_val=None):
        """Train the network unless it is frozen, prune it, fine-tune it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Dense, finite.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Target.
        X_val, y_val : array-like, default=None
            Explicit validation rows to score the path on; then nothing is held out of `X`.

        Returns
        -------
        self : MLPPruner
            Fitted attributes are set together at the very end: after an error or an interrupt the
            pruner is what it was before.

        Raises
        ------
        TypeError
            If `estimator` is not an MLP.
        ValueError
            If `sparsity` is outside [0, 1) or has the wrong length, if parameters do not go
            together, if `y` has labels a frozen network was not trained on, or if a layer would
            lose all its weights.
        """
        fitted = unfitted_twin(self)
        fitted._fit(X, y, X_val, y_val)
        take_over(self, fitted)
        return self

    def _fit(self, X, y, X_val, y_val):
        frozen = isinstance(self.estimator, FrozenEstimator)
        base = self.estimator.estimator if frozen else self.estimator
        check_is_mlp(base)
        if frozen:
            check_is_fitted(base)
            if self.rewind is not None:
                raise ValueError(
                    f"rewind={self.rewind!r} needs an unfitted estimator: the early weights of a frozen "
                    "network are not known."
                )
        rows, target = validate_data(
            self, X, y, dtype=[np.float64, np.float32], multi_output=True,
            y_numeric=not is_classifier(base), ensure_min_samples=2,
        )  # fmt: skip
        if is_classifier(base):
            check_classification_targets(target)
        if target.ndim == 2 and target.shape[1] == 1:
            target = column_or_1d(target, warn=True)
        if is_classifier(base) and target.ndim == 1:
            known = base.classes_ if frozen else None
            check_scores(self._scorer(base), self.scoring, target, known, classifies=True)
        rng = check_random_state(self.random_state)
        X_fit = X if hasattr(X, "shape") else rows
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together or not at all.")
        share = self.validation if X_val is None else None
        train, held = hold_out(target, share, is_classifier(base), rng)
        if X_val is not None:
            held_X, held_y = X_val, y_val
        else:
            held_X, held_y = _safe_indexing(X_fit, held), target[held]

        early = None
        if frozen:
            if base.n_features_in_ != self.n_features_in_:
                raise ValueError(
                    f"X has {self.n_features_in_} features, but the frozen network expects "
                    f"{base.n_features_in_}."
                )
            full = base
            check_target_known(full, target)
        else:
            # Before it is trained, which may take hours.
            check_plan(self, layers_of(base, self.n_features_in_, target))
            check_answers(self._scorer(base), base)
            full, early = train_from_start(
                base, _safe_indexing(X_fit, train), target[train], rng, self.rewind
            )
        check_weights_are_dense_and_finite(full)
        self.estimator_ = full
        self._prune(full, early, rows[train], target[train], held_X, held_y, rng)
        score, held_y = self._scorer(full), np.asarray(held_y)
        se_full, se_pruned = (
            error_on(score, Replay.of(network, held_X), held_X, held_y)
            for network in (full, self.pruned_estimator_)
        )
        role = "trained" if X_val is None and len(held) == len(target) else "held out"
        self._judged = Judged.on(held_X, role, se_full, se_pruned)

    def _scorer(self, network):
        # By name, what the networks' own `score` is.
        default = "accuracy" if is_classifier(network) else "r2"
        return as_scorer(default if self.scoring is None else self.scoring, network)

    def _prune(self, full, early, X, y, X_val, y_val, rng):
        by_neuron = self.structure == "neuron"
        plan = check_plan(self, [W.shape for W in full.coefs_])
        score = self._scorer(full)
        self.score_full_ = float(score(full, X_val, y_val))
        sample = rng.permutation(len(X))[: self.max_samples]
        X_sample, y_sample = X[sample].astype(np.float64), y[sample]

        fractions = plan.fractions
        epochs = np.broadcast_to(self.finetune_epochs, len(fractions))
        net, masks = copy_network(full), plan.masks
        steps = [SparsityStep(0.0, _n_weights(full), self.score_full_, self.score_full_)]
        self._networks = [full]  # after each of the steps
        self.layer_results_: list[PrunedLayer] = []
        for step, share in enumerate(fractions):
            if by_neuron:
                net, masks = cut_neurons(
                    self, net, masks, plan.sparsities * share, X_sample, y_sample, rng
                )
                held_masks = None
            else:
                net, masks, self.layer_results_ = cut_weights(
                    self, net, masks, plan.sparsities * share, X_sample, y_sample, rng
                )
                held_masks = masks
            score_cut = float(score(net, X_val, y_val))
            if early is not None:
                net = rewound(net, early, masks, by_neuron)
            net = finetune(
                net, X, y, held_masks, int(epochs[step]), rng,
                self.finetune_learning_rate, decay=step == len(fractions) - 1,
            )  # fmt: skip
            tuned = score_cut
            if epochs[step] or early is not None:
                tuned = float(score(net, X_val, y_val))
            gone = 1 - sum(m.sum() for m in masks) / sum(m.size for m in masks)
            steps.append(SparsityStep(float(gone), _n_weights(net), score_cut, tuned))
            self._networks.append(net)

        self.pruned_estimator_ = net
        self.masks_ = masks
        self.sparsity_ = steps[-1].sparsity
        self.layer_sparsities_ = np.array([1 - m.mean() for m in masks])
        self.path_ = SparsityPath(tuple(steps))
        self.score_pruned_ = steps[-1].score

    def at(self, sparsity: float) -> Any:
        """The network at another step of the same path, with nothing recomputed.

        It is as it was after that step, which ``path_`` has the score of. Only the last step is
        fine-tuned at a falling rate: fitted anew for that sparsity it may be a little better.

        Parameters
        ----------
        sparsity : float
            Fraction of zero weights, or of removed hidden neurons, in [0, 1): the densest network
            of the path that has so many is taken.

        Returns
        -------
        MLPClassifier or MLPRegressor
            A copy.

        Raises
        ------
        TypeError
            If `sparsity` is no number.
        ValueError
            If it is outside [0, 1), or the path does not reach that far.
        """
        check_is_fitted(self, "path_")
        # Of each layer a whole number is left, so the sparsity asked for may be just missed.
        rounding = 0.5 * len(self.masks_) / sum(m.size for m in self.masks_)
        return copy_network(self._networks[self.path_.reaching(sparsity, rounding)])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = inner.classifier_tags
        tags.regressor_tags = inner.regressor_tags
        tags.target_tags = inner.target_tags
        tags.input_tags.sparse = False
        return tags


def _n_weights(net: Any) -> int:
    return int(sum(np.count_nonzero(W) for W in net.coefs_))
