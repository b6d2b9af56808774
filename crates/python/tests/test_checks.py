"""scikit-learn's own checks of estimators, in the newest and in the oldest version that is supported.

`cargo xtask python` runs this file in both environments, so it imports nothing but scikit-learn.
"""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from honeyguide import UMAP, IsolationForest


@pytest.mark.filterwarnings("default")
@parametrize_with_checks(
    [IsolationForest(), IsolationForest(extension_level=0, novelty="range", contamination=0.1), UMAP(n_epochs=20)]
)
def test_estimators_pass_every_check(estimator, check):
    check(estimator)
