"""The pipeline: data of all kinds, models, scores and SQL."""

import http.server
import json
import multiprocessing
import pickle
import subprocess
import sys
import sysconfig
import threading
import warnings
from pathlib import Path

import deltalake
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import honeyguide as hg
from honeyguide import _native

pytestmark = [
    pytest.mark.skipif(not hasattr(_native, "run_command"), reason="a build without the pipeline"),
    pytest.mark.filterwarnings("ignore:simulated data:UserWarning"),
]

COMMAND = Path(sysconfig.get_path("scripts")) / "honeyguide"


def command(*arguments, cwd):
    subprocess.run([COMMAND, *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    command("simulate", "--out", ".", "--events", "20000", "--seed", "1", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def usual(logs):
    return logs / "labelled_training_data.csv"


@pytest.fixture(scope="module")
def today(logs):
    return logs / "labelled_testing_data.csv"


@pytest.fixture(scope="module")
def model(usual):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hg.train(usual, seed=3)


def test_the_model_file_is_that_of_the_command(logs, usual, model, tmp_path):
    model.save(tmp_path / "ours.json")
    command("train", usual, "--seed", "3", "--out", tmp_path / "theirs.json", cwd=logs)
    assert (tmp_path / "ours.json").read_bytes() == (tmp_path / "theirs.json").read_bytes()


@pytest.mark.parametrize("settings", [{"contamination": 0.01, "recipe": "beth-paper"}, {"false_positive_rate": 0.005}])
def test_settings_are_those_of_the_command(usual, settings, tmp_path):
    hg.train(usual, n_estimators=20, **settings).save(tmp_path / "ours.json")
    flags = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command("train", usual, "--trees", "20", *flags, "--out", "theirs.json", cwd=tmp_path)
    assert (tmp_path / "ours.json").read_bytes() == (tmp_path / "theirs.json").read_bytes()


def test_scores_are_those_of_the_command(logs, today, model, tmp_path):
    model.save(tmp_path / "model.json")
    command("score", "model.json", today, "--out", "scored.csv", "--skip-incidents", cwd=tmp_path)
    theirs = pd.read_csv(tmp_path / "scored.csv")
    ours = model.score(today).to_pandas()
    assert ours["score"].tolist() == theirs["score"].tolist()
    assert ours["anomalous"].tolist() == theirs["anomalous"].tolist() == (ours["score"] > model.threshold).tolist()
    summary = model.score_to(today, tmp_path / "scored.parquet")
    written = pa.parquet.read_table(tmp_path / "scored.parquet")
    assert written["score"].to_pylist() == ours["score"].tolist()
    assert summary["anomalous"] == ours["anomalous"].sum()


def test_only_anomalous_events_have_reasons_and_incidents(today, model):
    table = model.score(today, only_anomalous=True, explain=True, incidents=True).to_polars()
    assert 0 < len(table) and table["anomalous"].all()
    assert table["reasons"].null_count() == 0 and table["incident"].null_count() == 0
    found = model.incidents(today, limit=1000)
    assert {incident["id"] for incident in found["incidents"]} == set(table["incident"])


def kinds(path):
    table = pa.csv.read_csv(path)
    return {
        "text": str(path),
        "list": [path],
        "pyarrow": table,
        "polars": pl.from_arrow(table),
        "pandas": table.to_pandas(),
        "batch": table.combine_chunks().to_batches()[0],
        "ours": hg.read(path),
    }


@pytest.mark.parametrize("kind", ["text", "list", "pyarrow", "polars", "pandas", "batch", "ours"])
def test_every_kind_of_data_gives_the_same_scores(today, model, kind):
    expected = model.score(today).to_polars()["score"]
    assert model.score(kinds(today)[kind]).to_polars()["score"].equals(expected)


def test_columns_of_polars_without_values_are_read(today, model):
    nulls = {
        "column": [None] * 3,
        "list": [[None], [], None],
        "struct": [{"inner": None, "number": 1}] * 3,
        "array": pl.Series([[None, None]] * 3, dtype=pl.Array(pl.Null, 2)),
    }
    frame = pl.DataFrame({"number": [1, 2, 3], **nulls})
    assert frame["column"].dtype == pl.Null
    table = hg.read(frame).to_polars()
    assert table.to_dicts() == frame.to_dicts()
    events = pl.from_arrow(pa.csv.read_csv(today)).with_columns(pl.lit(None).alias("note"))
    assert model.score(events).to_polars()["score"].equals(model.score(today).to_polars()["score"])


class Broken:
    """Data of Arrow that cannot be read."""

    def __arrow_c_stream__(self, requested_schema=None):
        nulls = pl.DataFrame({"column": [None]})
        return nulls.__arrow_c_stream__(requested_schema)


def test_data_of_arrow_that_cannot_be_read_are_a_value_error():
    with pytest.raises(ValueError, match="Null"):
        hg.read(Broken())


def test_a_stream_is_read_once(today, model):
    table = pa.csv.read_csv(today)
    expected = model.score(today).to_polars()["score"]
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=1000))
    assert model.score(reader).to_polars()["score"].equals(expected)
    used = pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    with pytest.raises(ValueError, match="read only once"):
        model.score(used, incidents=True)


def test_a_query_of_a_delta_table_is_read(today, model, tmp_path):
    deltalake.write_deltalake(tmp_path / "lake", pa.csv.read_csv(today))
    lake = deltalake.DeltaTable(tmp_path / "lake")
    query = deltalake.QueryBuilder().register("lake", lake).execute("SELECT * FROM lake")
    ours = model.score(query).to_polars()["score"].sort()
    assert ours.equals(model.score(today).to_polars()["score"].sort())


def test_a_forest_takes_the_rows_of_a_query(today):
    table = hg.sql('SELECT "processId", "argsNum" FROM events', tables={"events": today})
    forest = hg.IsolationForest(n_estimators=10, random_state=0).fit(table)
    assert list(forest.feature_names_in_) == ["processId", "argsNum"]
    assert len(forest.predict(table)) == len(table)


def test_frames_train_the_model_of_their_file(usual, model):
    frame = pl.from_arrow(pa.csv.read_csv(usual))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained = hg.train(frame, seed=3)
    assert trained.threshold == model.threshold


def test_read_gives_rows_in_their_order_and_types(today):
    table = hg.read(today)
    expected = pa.csv.read_csv(today)
    assert table.column_names == expected.column_names and len(table) == len(expected)
    assert table.to_polars()["processId"].to_list() == expected["processId"].to_pylist()
    assert table.to_pandas()["timestamp"].dtype == "float64"


def test_sql_counts_scores_and_joins(today, model):
    query = "SELECT count(*) AS n, sum(CAST(anomalous AS BIGINT)) AS anomalous FROM events"
    row = hg.sql(query, tables={"events": today}, model=model).to_polars().row(0, named=True)
    scored = model.score(today).to_polars()
    assert row == {"n": len(scored), "anomalous": scored["anomalous"].sum()}
    users = pl.DataFrame({"userId": [0], "name": ["root"]})
    joined = hg.sql(
        "SELECT name, count(*) AS n FROM events JOIN users USING (userId) GROUP BY name",
        tables={"events": today, "users": users},
    ).to_polars()
    assert joined["n"].to_list() == [(scored["userId"] == 0).sum()]


def test_answers_agree_with_the_scores(today, model):
    scored = model.score(today).to_polars()
    top = model.top(today, 3)
    assert len(top["anomalies"]) == 3 and top["anomalies"][0]["score"] == scored["score"].max()
    explained = model.explain(today, row=top["anomalies"][0]["row"])
    assert explained["score"] == scored["score"].max()
    evaluation = model.evaluate(today)
    assert {label["label"] for label in evaluation["labels"]} == {"sus", "evil"}
    assert hg.inspect(today)["rows"] == len(scored)
    assert model.drift(today)["events"] == len(scored)


def test_a_model_is_pickled_and_loaded(today, model, tmp_path):
    model.save(tmp_path / "model.json")
    expected = model.score(today).to_polars()["score"]
    for again in (pickle.loads(pickle.dumps(model)), hg.Model.load(tmp_path / "model.json")):
        assert again.score(today).to_polars()["score"].equals(expected)
        assert repr(again) == repr(model)


def test_errors_are_pythons_own_and_name_no_flags(today, model, tmp_path):
    calls = [
        (FileNotFoundError, "no such file", lambda: hg.read(tmp_path / "none.csv")),
        (ValueError, "no files match|no file", lambda: hg.read(str(tmp_path / "*.csv"))),
        (TypeError, "data must be a path", lambda: hg.read(7)),
        (TypeError, "no argument 'colour'", lambda: hg.read(today, colour=1)),
        (ValueError, "recipe", lambda: hg.train(today, recipe="none")),
        (ValueError, "each sets the threshold", lambda: hg.train(today, contamination=0.1, false_positive_rate=0.1)),
        (ValueError, "`host_column`", lambda: hg.read(today, host_column="none")),
        (ValueError, "no_such_column", lambda: hg.sql("SELECT no_such_column FROM events", tables={"events": today})),
        (ValueError, "DROP|quer", lambda: hg.sql("DROP TABLE events", tables={"events": today})),
        (ValueError, "format", lambda: hg.read(today, format="xml")),
        (ValueError, "model", lambda: hg.Model.load(tmp_path / "none.json")),
        (ValueError, "option", lambda: hg.read("s3://bucket/key.csv", storage_options={"none": "1"})),
    ]
    for kind, words, call in calls:
        with pytest.raises(kind, match=words) as raised:
            call()
        assert "--" not in str(raised.value), raised.value


def test_remarks_are_warnings(tmp_path):
    (tmp_path / "events.ndjson").write_text('{"a": 1}\nnot JSON\n{"a": 2}\n')
    with pytest.warns(UserWarning, match="1 lines could not be read"):
        table = hg.read(tmp_path / "events.ndjson")
    assert len(table) == 2
    with pytest.raises(ValueError):
        hg.read(tmp_path / "events.ndjson", strict=True)


def test_simulated_data_are_called_simulated(today, model):
    with pytest.warns(UserWarning, match="simulated data"):
        model.score(today)


def read_in_child(path, answers):
    try:
        hg.read(path)
    except RuntimeError as error:
        answers.put(str(error))
    else:
        answers.put("read")


@pytest.mark.parametrize(("method", "answer"), [("fork", "forked"), ("spawn", "read")])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_gets_an_error_and_a_spawned_one_reads(today, method, answer):
    hg.read(today)
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    child = context.Process(target=read_in_child, args=(today, answers))
    child.start()
    assert answer in answers.get(timeout=120)
    child.join(60)
    assert child.exitcode == 0


def test_a_table_says_what_it_holds(today):
    table = hg.sql("SELECT processId, eventName FROM events LIMIT 3", tables={"events": today})
    assert repr(table).startswith("Table of 3 rows: processId: Int64, eventName: ")


def test_notebooks_show_few_rows_and_run_nothing(model):
    nasty = "<script>alert('x')</script>" + "\x1b[31m" + "y" * 500
    empty = pl.Series([None] * 50, dtype=pl.String)
    frame = pl.DataFrame({"<b>": [nasty] * 50, **{f"c{number}": empty for number in range(30)}})
    shown = hg.read(frame)._repr_html_()
    assert "<script>" not in shown and "<b>" not in shown and "\x1b" not in shown
    assert shown.count("<tr>") == 11 and shown.count("<th>") == 20 and len(shown) < 20_000
    assert "50 rows, 31 columns; the first 10 rows and 20 columns" in shown
    assert f"{model.threshold:.4f}" in model._repr_html_()


def test_a_report_is_a_page_with_the_figures_of_the_evaluation(today, model, tmp_path):
    report = model.report(today, label="evil")
    assert report.evaluation == model.evaluate(today, label="evil")
    assert repr(report) == f"Report on {report.evaluation['events']:,} events, {report.evaluation['anomalous']:,} of them anomalous"
    report.save(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == report.html
    shown = report._repr_html_()
    assert shown.startswith('<iframe sandbox="allow-scripts" ') and "<script" not in shown
    with pytest.raises(ValueError, match="must end in .html"):
        report.save(tmp_path / "report.pdf")
    assert not (tmp_path / "report.pdf").exists()


class Bucket(http.server.BaseHTTPRequestHandler):
    """A bucket with one object, which only the right key may read."""

    def do_GET(self):
        is_known = "Credential=the-key/" in self.headers.get("Authorization", "")
        if not is_known or self.path.split("?")[0] != "/lake/events.csv":
            self.send_error(403)
            return
        content = self.server.content
        wanted = self.headers.get("Range")
        first, last = map(int, wanted.removeprefix("bytes=").split("-")) if wanted else (0, len(content) - 1)
        piece = content[first : last + 1]
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{first + len(piece) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(piece)))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Mon, 02 Mar 2026 08:30:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(piece)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_credentials_come_from_the_environment(monkeypatch):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        server.content = b"a,b\n1,2\n"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "eu-west-1",
            "AWS_SECRET_ACCESS_KEY": "a secret",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-key")
        assert hg.read("s3://lake/events.csv").to_polars().rows() == [(1, 2)]
        # What the caller says counts.
        with pytest.raises(OSError):
            hg.read("s3://lake/events.csv", storage_options={"aws_access_key_id": "another-key"})
        server.shutdown()


def test_events_of_other_types_are_told(tmp_path):
    lookup = {"timestamp": "2026-03-02T08:30:00Z", "event_type": "dns", "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2"}
    lookup["dns"] = {"type": "query", "rrname": "www.example.com", "rrtype": "A"}
    lines = [json.dumps(line) for line in (lookup, {"event_type": "flow"})]
    (tmp_path / "eve.json").write_text("\n".join(lines))
    with pytest.warns(UserWarning, match="1 lines are not DNS events of Suricata .* an event of type `flow`"):
        table = hg.read(tmp_path / "eve.json")
    assert len(table) == 1


def test_the_number_of_threads_can_be_limited(today, model, tmp_path):
    model.save(tmp_path / "model.json")
    program = """
import sys
from pathlib import Path
import honeyguide as hg

hg.set_num_threads(int(sys.argv[3]))
scores = hg.Model.load(sys.argv[1]).score(sys.argv[2]).to_arrow()["score"]

def name(task):
    try:
        return (task / "comm").read_text()
    except OSError:
        # A thread that was over meanwhile.
        return ""

names = [name(task) for task in Path("/proc/self/task").iterdir()]
print(sum(name.startswith("honeyguide-") for name in names), *scores.to_pylist())
"""

    def run(number):
        arguments = [tmp_path / "model.json", today, str(number)]
        command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        found, *scores = run.stdout.split()
        assert int(found) == number
        return scores

    assert run(1) == run(3)


@pytest.mark.parametrize("number", [0, -1, True, 1025])
def test_other_numbers_of_threads_are_refused(number):
    with pytest.raises(ValueError, match="n_threads must be from 1 to 1024"):
        hg.set_num_threads(number)
