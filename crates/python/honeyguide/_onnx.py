"""Forests as graphs of ONNX, in 64-bit floats.

The graph is one `TreeEnsemble` (ai.onnx.ml 5), which adds up the path lengths of a row, and the arithmetic from their sum to
the decision.
"""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import onnx

# The modes of a node of `TreeEnsemble`.
_AT_MOST = 0
_MEMBER = 6

# Path lengths are multiples of this unit, so that they add up without rounding.
_UNIT = 2.0**-36


def _average_path_length(events: int) -> float:
    """Returns c(events) in whole units, as docs/formats/forest.md defines it."""
    if events < 3:
        return float(max(events - 1, 0))
    return 2 * (math.log(events - 1) + 0.5772156649015329) - 2 * (events - 1) / events


def _in_units(length: float) -> float:
    return math.floor(length / _UNIT + 0.5) * _UNIT


class _Child(NamedTuple):
    """A child of a node: its number among the leaves or the nodes, and the number of its training events."""

    is_leaf: bool
    number: int
    events: int


class _Ensemble:
    """The attributes of a `TreeEnsemble` while trees are added."""

    def __init__(self, column_kinds: list[Any]) -> None:
        self.column_kinds = column_kinds
        self.features: list[int] = []
        self.modes: list[int] = []
        self.thresholds: list[float] = []
        self.members: list[float] = []
        self.missing_is_true: list[int] = []
        self.children: list[tuple[_Child, _Child]] = []
        self.lengths: list[float] = []
        self.roots: list[int] = []

    def add(self, tree: dict[str, Any]) -> None:
        """Adds a tree, whose nodes are in preorder."""
        parts = (iter(tree["splits"]), iter(tree["thresholds"]), iter(tree.get("categories", [])), iter(tree["leaf_events"]))
        root = len(self.features)
        grown = self._grow(parts, 0)
        if grown.is_leaf:
            # A tree of one leaf is a split with this leaf on both sides.
            root = self._node(0, _AT_MOST, 0.0)
            self.children[root] = (grown, grown)
        self.roots.append(root)

    def _grow(self, parts: tuple[Any, Any, Any, Any], depth: int) -> _Child:
        """Adds the next subtree. Trees are at most 24 splits deep."""
        splits, thresholds, categories, leaves = parts
        feature = next(splits)
        if feature < 0:
            events = next(leaves)
            self.lengths.append(_in_units(depth + _average_path_length(events)))
            return _Child(True, len(self.lengths) - 1, events)
        if self.column_kinds[feature] == "numeric":
            node = self._node(feature, _AT_MOST, next(thresholds))
        else:
            node = self._node(feature, _MEMBER, 0.0)
            self.members += [*map(float, next(categories)), math.nan]
        left, right = self._grow(parts, depth + 1), self._grow(parts, depth + 1)
        # Missing values follow the larger child, and so do the categories that are listed.
        left_is_larger = left.events >= right.events
        if self.modes[node] == _AT_MOST:
            self.children[node], self.missing_is_true[node] = (left, right), int(left_is_larger)
        else:
            self.children[node], self.missing_is_true[node] = (left, right) if left_is_larger else (right, left), 1
        return _Child(False, node, left.events + right.events)

    def _node(self, feature: int, mode: int, threshold: float) -> int:
        nothing = _Child(True, 0, 0)
        self.features.append(feature)
        self.modes.append(mode)
        self.thresholds.append(threshold)
        self.missing_is_true.append(0)
        self.children.append((nothing, nothing))
        return len(self.features) - 1

    def attributes(self) -> dict[str, Any]:
        """Returns the attributes of the operator."""
        from onnx import TensorProto, helper

        def doubles(name: str, values: list[float]) -> Any:
            return helper.make_tensor(name, TensorProto.DOUBLE, (len(values),), values)

        modes = np.asarray(self.modes, dtype=np.uint8).tobytes()
        attributes = {
            "aggregate_function": 1,
            "n_targets": 1,
            "post_transform": 0,
            "tree_roots": self.roots,
            "nodes_featureids": self.features,
            "nodes_modes": helper.make_tensor("modes", TensorProto.UINT8, (len(self.modes),), modes, raw=True),
            "nodes_splits": doubles("splits", self.thresholds),
            "nodes_missing_value_tracks_true": self.missing_is_true,
            "nodes_truenodeids": [true.number for true, _ in self.children],
            "nodes_falsenodeids": [false.number for _, false in self.children],
            "nodes_trueleafs": [int(true.is_leaf) for true, _ in self.children],
            "nodes_falseleafs": [int(false.is_leaf) for _, false in self.children],
            "leaf_targetids": [0] * len(self.lengths),
            "leaf_weights": doubles("lengths", self.lengths),
        }
        if self.members:
            attributes["membership_values"] = doubles("members", self.members)
        return attributes


def model_of(forest: dict[str, Any], offset: float, producer: str) -> "onnx.ModelProto":
    """Returns the graph of a forest, given as the data of docs/formats/forest.md.

    The input `X` has rows of doubles, with codes in the place of categories. The outputs are those of skl2onnx: `label`, 1 or
    -1, and `scores`, the decision function. Each has one column.
    """
    from onnx import TensorProto, checker, helper

    params, n_features = forest["params"], forest["n_features"]
    if params["extension_level"] > 0:
        raise ValueError("ONNX cannot express splits on several features: only forests with extension_level=0 are exported")
    if params.get("novelty", "plain") != "plain":
        raise ValueError('ONNX cannot express expected path lengths: only forests with novelty="plain" are exported')
    ensemble = _Ensemble(params["column_kinds"] or ["numeric"] * n_features)
    for tree in forest["trees"]:
        ensemble.add(tree)
    unit = _in_units(_average_path_length(forest["max_samples"]))
    # A forest whose trees draw one event has the normalised path length 1 for every row.
    scale, shift = (1 / (len(forest["trees"]) * unit), 0.0) if unit else (0.0, 1.0)

    def double(name: str, value: float) -> Any:
        return helper.make_tensor(name, TensorProto.DOUBLE, (), [value])

    nodes = [
        helper.make_node("TreeEnsemble", ["X"], ["sums"], domain="ai.onnx.ml", **ensemble.attributes()),
        helper.make_node("Mul", ["sums", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["lengths"]),
        helper.make_node("Pow", ["half", "lengths"], ["anomaly"]),
        helper.make_node("Neg", ["anomaly"], ["score_samples"]),
        helper.make_node("Sub", ["score_samples", "offset"], ["scores"]),
        helper.make_node("Less", ["scores", "zero"], ["flagged"]),
        helper.make_node("Where", ["flagged", "outlier", "inlier"], ["label"]),
    ]
    constants = {"scale": scale, "shift": shift, "half": 0.5, "offset": offset, "zero": 0.0}
    labels = {"outlier": -1, "inlier": 1}
    graph = helper.make_graph(
        nodes,
        "isolation_forest",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, n_features])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None, 1]),
            helper.make_tensor_value_info("scores", TensorProto.DOUBLE, [None, 1]),
        ],
        [double(name, value) for name, value in constants.items()]
        + [helper.make_tensor(name, TensorProto.INT64, (), [value]) for name, value in labels.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="honeyguide", producer_version=producer)
    model.ir_version = 10
    checker.check_model(model)
    return model
