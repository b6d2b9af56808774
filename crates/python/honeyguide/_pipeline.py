"""The pipeline: events of files, tables and streams, models, scores and SQL."""

import json
import operator
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from honeyguide import _files, _html, _native

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


if not hasattr(_native, "train"):
    raise ImportError("this build has only the estimators: install honeyguide with its default features")


# More threads than this are a mistake, and cost memory each.
_MAX_THREADS = 1024


class ReadOptions(TypedDict, total=False):
    """How data are read. Every function that takes data has these keyword arguments.

    format : "csv", "ndjson", "tracee", "eve", "zeek", "parquet" or "arrow", whatever the names of the files say.
    null_values : the texts that stand for a missing value, besides an empty field.
    strict : whether a line of JSON that cannot be read is an error; otherwise it is left out, with a warning.
    host_column, time_column : the columns of hosts and of times, instead of those that the log has.
    follow_links : whether links in a folder are followed to places outside of it.
    storage_options : the credentials and settings of object stores, as polars has them.
    """

    format: str | None
    null_values: Sequence[str]
    strict: bool
    host_column: str | None
    time_column: str | None
    follow_links: bool
    storage_options: dict[str, str]


_READ_OPTIONS: dict[str, Any] = {
    "format": None,
    "null_values": [],
    "strict": False,
    "host_column": None,
    "time_column": None,
    "follow_links": False,
    "storage_options": {},
}


def _given(data: Any) -> Any:
    """Returns data with texts in the place of what has polars' type Null, whose form in Arrow other libraries refuse.

    Such a column has no values, so that nothing changes but its type.
    """
    polars = sys.modules.get("polars")
    if polars is None or not isinstance(data, polars.DataFrame):
        return data
    types = {name: _typed(polars, dtype) for name, dtype in data.schema.items()}
    return data.cast({name: dtype for name, dtype in types.items() if dtype != data.schema[name]})


def _typed(polars: Any, dtype: Any) -> Any:
    """Returns a type of polars with texts in the place of Null."""
    if dtype == polars.Null:
        return polars.String
    if isinstance(dtype, polars.List):
        return polars.List(_typed(polars, dtype.inner))
    if isinstance(dtype, polars.Array):
        return polars.Array(_typed(polars, dtype.inner), dtype.size)
    if isinstance(dtype, polars.Struct):
        return polars.Struct({field.name: _typed(polars, field.dtype) for field in dtype.fields})
    return dtype


def _reading(options: ReadOptions) -> dict[str, Any]:
    """Returns all options of reading, with their defaults."""
    unknown = sorted(options.keys() - _READ_OPTIONS.keys())
    if unknown:
        raise TypeError(f"there is no argument {unknown[0]!r}; the options of reading are {', '.join(_READ_OPTIONS)}")
    reading = {**_READ_OPTIONS, **options}
    reading["null_values"] = [str(text) for text in reading["null_values"]]
    reading["storage_options"] = {str(name): str(value) for name, value in (reading["storage_options"] or {}).items()}
    return reading


def _scoring(only_anomalous: bool, explain: bool, incidents: bool, incident_by: Sequence[str]) -> dict[str, Any]:
    """Returns what is added to scored events."""
    return {
        "only_anomalous": only_anomalous,
        "explain": explain,
        "incidents": incidents,
        "incident_by": list(incident_by),
    }


def _told(answer: tuple[Any, list[str]]) -> Any:
    """Gives what is to be said of the data as warnings, and returns the rest of an answer."""
    result, remarks = answer
    for remark in remarks:
        warnings.warn(remark, UserWarning, stacklevel=3)
    return result


class Table:
    """Rows in memory, which every library of Arrow takes without a copy: `polars.from_arrow(table)`, `pyarrow.table(table)`.

    The table can be read as often as needed. `len(table)` is the number of rows.
    """

    def __init__(self, rows: _native.Rows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def column_names(self) -> list[str]:
        """The names of the columns."""
        return self._rows.column_names

    def __arrow_c_schema__(self) -> object:
        return self._rows.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._rows.__arrow_c_stream__(requested_schema)

    def to_polars(self) -> "polars.DataFrame":
        """Returns the rows as a DataFrame of polars."""
        import polars

        return polars.DataFrame(self)

    def to_arrow(self) -> "pyarrow.Table":
        """Returns the rows as a table of pyarrow."""
        import pyarrow

        return pyarrow.table(self)

    def to_pandas(self) -> "pandas.DataFrame":
        """Returns the rows as a DataFrame of pandas. Needs pyarrow."""
        return self.to_arrow().to_pandas()

    def __repr__(self) -> str:
        columns = zip(self._rows.column_names, self._rows.column_types, strict=True)
        shown = [f"{name}: {kind}" for name, kind in columns]
        hidden = len(shown) - _html.COLUMNS
        more = [f"and {hidden} more"] if hidden > 0 else []
        return f"Table of {len(self):,} rows: {', '.join(shown[: _html.COLUMNS] + more)}"

    def _repr_html_(self) -> str:
        columns = self.column_names
        shown = columns[: _html.COLUMNS]
        caption = f"{len(self):,} rows, {len(columns)} columns"
        if len(self) > _html.ROWS or len(columns) > len(shown):
            caption += f"; the first {min(len(self), _html.ROWS)} rows and {len(shown)} columns"
        return _html.table(shown, self._rows.head(_html.ROWS, len(shown)), caption)


class Report:
    """A page that judges a model's results on data: scores, incidents, alerts and the most anomalous events.

    A notebook shows it in a frame that cannot reach the notebook. `evaluation` are the figures of `Model.evaluate`.
    """

    def __init__(self, html: str, evaluation: dict[str, Any]) -> None:
        self.html = html
        self.evaluation = evaluation

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the page to a file, which needs no network to be read."""
        if os.path.splitext(path)[1].lower() not in (".html", ".htm"):
            raise ValueError(f"{os.fspath(path)}: a page is written as HTML, and its name must end in .html")
        _files.write_bytes(path, self.html.encode())

    def __repr__(self) -> str:
        found = self.evaluation
        return f"Report on {found['events']:,} events, {found['anomalous']:,} of them anomalous"

    def _repr_html_(self) -> str:
        return _html.frame(self.html, repr(self))


class Model:
    """A trained model: a recipe of features, an isolation forest and a threshold. `train` makes one, and `load` reads one."""

    def __init__(self, model: _native.TrainedModel) -> None:
        self._model = model

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, storage_options: dict[str, str] | None = None) -> Self:
        """Reads a model file, which the command `honeyguide train` writes too."""
        return cls(_native.TrainedModel.load(os.fspath(path), storage_options or {}))

    def save(self, path: str | os.PathLike[str], *, storage_options: dict[str, str] | None = None) -> None:
        """Writes the model file. It has the same bytes as that of the command for the same data and settings."""
        self._model.save(os.fspath(path), storage_options or {})

    @property
    def threshold(self) -> float:
        """The score above which an event is anomalous."""
        return self._model.threshold

    @property
    def recipe(self) -> str:
        """The name of the recipe."""
        return self._model.recipe

    @property
    def features(self) -> list[str]:
        """The names of the features."""
        return self._model.features

    def score(
        self,
        data: Any,
        *,
        only_anomalous: bool = False,
        explain: bool = False,
        incidents: bool = False,
        incident_by: Sequence[str] = (),
        **options: Unpack[ReadOptions],
    ) -> Table:
        """Returns every event with its `score` and whether it is `anomalous`, in the order of the data.

        `explain` adds the strongest reasons, and `incidents` the id of the incident that an anomalous event belongs to.
        """
        scoring = _scoring(only_anomalous, explain, incidents, incident_by)
        return Table(_told(self._model.score(_given(data), _reading(options), scoring)))

    def score_to(
        self,
        data: Any,
        path: str | os.PathLike[str],
        *,
        only_anomalous: bool = False,
        explain: bool = False,
        incidents: bool = False,
        incident_by: Sequence[str] = (),
        **options: Unpack[ReadOptions],
    ) -> dict[str, Any]:
        """Writes what `score` returns to a file or an object, in bounded memory. Returns the numbers of events."""
        scoring = _scoring(only_anomalous, explain, incidents, incident_by)
        return json.loads(_told(self._model.score_to(_given(data), _reading(options), os.fspath(path), scoring)))

    def top(
        self, data: Any, n: int = 10, *, only_anomalous: bool = False, **options: Unpack[ReadOptions]
    ) -> dict[str, Any]:
        """Returns the `n` most anomalous events, each with its reasons, under `anomalies`."""
        return json.loads(_told(self._model.top(_given(data), _reading(options), n, only_anomalous)))

    def explain(
        self, data: Any, *, row: int | None = None, where: str | None = None, **options: Unpack[ReadOptions]
    ) -> dict[str, Any]:
        """Explains the score of the event in `row`, counted from 1, or of the first for which the SQL `where` is true."""
        return json.loads(_told(self._model.explain(_given(data), _reading(options), row, where)))

    def evaluate(self, data: Any, *, label: str | None = None, **options: Unpack[ReadOptions]) -> dict[str, Any]:
        """Compares scores and verdicts with the labels of the data."""
        return json.loads(_told(self._model.evaluate(_given(data), _reading(options), label)))

    def report(self, data: Any, *, label: str | None = None, **options: Unpack[ReadOptions]) -> Report:
        """Judges scores and verdicts as `evaluate` does, and makes a page of the results. Data need no labels for it."""
        html, evaluation = _told(self._model.report(_given(data), _reading(options), label))
        return Report(html, json.loads(evaluation))

    def drift(self, data: Any, **options: Unpack[ReadOptions]) -> dict[str, Any]:
        """Compares data with the events of the training."""
        return json.loads(_told(self._model.drift(_given(data), _reading(options))))

    def incidents(
        self, data: Any, limit: int = 10, *, by: Sequence[str] = (), **options: Unpack[ReadOptions]
    ) -> dict[str, Any]:
        """Returns the incidents with the highest scores: anomalous events of a host that belong together."""
        return json.loads(_told(self._model.incidents(_given(data), _reading(options), limit, list(by))))

    def __repr__(self) -> str:
        model = self._model
        return (
            f"Model of recipe {model.recipe!r}: {len(model.features)} features, {model.n_estimators} trees, trained on "
            f"{self._training_events()} events, threshold {model.threshold_text}"
        )

    def _repr_html_(self) -> str:
        model = self._model
        rows = [
            ("recipe", model.recipe),
            ("features", ", ".join(model.features)),
            ("trees", str(model.n_estimators)),
            ("training events", self._training_events()),
            ("threshold", model.threshold_text),
        ]
        return _html.table(("Model", ""), rows, "honeyguide")

    def _training_events(self) -> str:
        # A model has none if its forest was imported without them.
        return f"{self._model.events:,}" if self._model.events else "unknown"

    def __getstate__(self) -> dict[str, str]:
        return {"model": self._model.to_json()}

    def __setstate__(self, state: dict[str, str]) -> None:
        self._model = _native.TrainedModel.from_json(state["model"])


def train(
    data: Any,
    *,
    recipe: str | os.PathLike[str] | None = None,
    n_estimators: int = 100,
    max_samples: int | float | None = None,
    max_features: int | float = 1.0,
    bootstrap: bool = False,
    novelty: str | None = None,
    seed: int = 0,
    exclude: Sequence[str] = (),
    contamination: str | float | None = None,
    calibrate: Any = None,
    false_positive_rate: float | None = None,
    incidents_per_host_day: float | None = None,
    **options: Unpack[ReadOptions],
) -> Model:
    """Trains a model on events.

    `data` are paths, globs or URLs, or a table or stream of Arrow, such as a DataFrame of polars or pandas. `recipe` is the
    name of a built-in recipe or the path of one; None means the recipe of the log. The threshold is set by `contamination`,
    by benign events in `calibrate`, by `false_positive_rate` or by `incidents_per_host_day`, and otherwise as the command
    `honeyguide train` sets it.
    """
    policies = {
        "contamination": contamination,
        "false_positive_rate": false_positive_rate,
        "incidents_per_host_day": incidents_per_host_day,
    }
    given = [name for name, value in policies.items() if value is not None]
    if len(given) > 1 or (calibrate is not None and given not in ([], ["false_positive_rate"])):
        names = given if len(given) > 1 else ["calibrate", *given]
        raise ValueError(f"give one of {' and '.join(names)}: each sets the threshold")
    if isinstance(contamination, str) and contamination != "auto":
        raise ValueError(f'contamination must be "auto" or a number, got {contamination!r}')
    training = {
        "recipe": None if recipe is None else os.fspath(recipe),
        "n_estimators": n_estimators,
        "max_samples": max_samples,
        "max_features": max_features,
        "bootstrap": bootstrap,
        "novelty": novelty,
        "seed": seed,
        "exclude": list(exclude),
        "contamination": None if contamination in (None, "auto") else float(contamination),
        "contamination_is_auto": contamination == "auto",
        "false_positive_rate": false_positive_rate,
        "incidents_per_host_day": incidents_per_host_day,
    }
    return Model(_told(_native.train(_given(data), _reading(options), training, _given(calibrate))))


def sql(
    query: str,
    *,
    model: Model | None = None,
    incident_by: Sequence[str] = (),
    tables: dict[str, Any] | None = None,
    **options: Unpack[ReadOptions],
) -> Table:
    """Returns the rows of an SQL query over `tables`, which maps names to data.

    With a model, each table has the columns `score` and `anomalous`, and there is the table `incidents`.
    """
    native = None if model is None else model._model
    named = [(name, _given(data)) for name, data in (tables or {}).items()]
    return Table(_told(_native.sql(query, named, _reading(options), native, list(incident_by))))


def read(data: Any, **options: Unpack[ReadOptions]) -> Table:
    """Returns the rows of data in their order, with the types of the log that they are."""
    return Table(_told(_native.read(_given(data), _reading(options))))


def inspect(data: Any, **options: Unpack[ReadOptions]) -> dict[str, Any]:
    """Describes data: columns, values, labels, correlations and what stands out."""
    return json.loads(_told(_native.inspect(_given(data), _reading(options))))


def set_num_threads(n_threads: int | None) -> None:
    """Limits the threads of the pipeline: those of queries, and those of forests. None means one for each processor.

    It holds for calls from now on. Results do not depend on the number. Estimators have `n_jobs` instead.
    """
    if n_threads is not None and (isinstance(n_threads, bool) or not 1 <= operator.index(n_threads) <= _MAX_THREADS):
        raise ValueError(f"n_threads must be from 1 to {_MAX_THREADS}, or None for all processors, got {n_threads!r}")
    _native.set_num_threads(0 if n_threads is None else operator.index(n_threads))
