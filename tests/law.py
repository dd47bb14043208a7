"""The law of adapters: a cut estimator predicts what its members' outputs combine to."""

from __future__ import annotations

import numpy as np

from ensprune.link import Votes


def responses(estimator, X):
    """All continuous responses of an estimator."""
    names = [m for m in ("predict_proba", "decision_function") if hasattr(estimator, m)]
    if len(getattr(estimator, "classes_", ())) == 0:  # empty in regressors of CatBoost
        names = ["predict"]
    return {name: getattr(estimator, name)(X) for name in names}


def combined(combiner, outputs):
    """The same responses from outputs and combiner."""
    if combiner.classes is None:
        return {"predict": combiner.predict(outputs)}
    result = {}
    if combiner.has_proba:
        result["predict_proba"] = combiner.predict_proba(outputs)
    if combiner.has_decision:
        result["decision_function"] = combiner.decision_function(outputs)
    return result


def assert_obeys(estimator, combiner, outputs, X, tolerance):
    real = responses(estimator, X)
    ours = combined(combiner, outputs)
    assert ours or isinstance(combiner.link, Votes), "nothing was compared"
    for name, response in ours.items():
        scale = max(1.0, np.abs(real[name]).max())
        np.testing.assert_allclose(response, real[name], rtol=0, atol=tolerance * scale)
    if combiner.classes is not None:
        # CatBoost predicts labels of several classes as a column.
        np.testing.assert_array_equal(combiner.predict(outputs), np.ravel(estimator.predict(X)))
