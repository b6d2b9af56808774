"""Settings that libraries read when they are imported."""

import os

# scikit-learn then also checks that estimators take arrays of other libraries.
os.environ["SCIPY_ARRAY_API"] = "1"
