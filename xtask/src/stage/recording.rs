//! The recording of all hosts at once, and the labelled files that become of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::labels::{Label, Mark, Process, Since};
use super::player::{Player, bound};
use crate::command::{command, output};
use crate::error::{Error, Result};

/// The time within which a recording begins.
const PATIENCE: Duration = Duration::from_secs(120);
/// The folder of the marks that intruders leave.
const MARKS: &str = "/stage/";
/// The condition of events that are marks.
const IS_MARK: &str =
    r#""eventName" IN ('stat', 'access') AND arg("args", 'pathname') LIKE '/stage/%'"#;
/// The times of the sensor, which are in seconds, as whole nanoseconds.
const START: &str = r#"CAST(round("processStartTime" * 1e9) AS BIGINT)"#;
const TIME: &str = r#"CAST(round("timestamp" * 1e9) AS BIGINT)"#;
/// A running recording of a cgroup.
pub struct Recorder {
    honeyguide: PathBuf,
    file: PathBuf,
    player: Player,
}

impl Recorder {
    /// Starts a recording and waits until the sensor is loaded.
    pub fn start(honeyguide: &Path, cgroup: &Path, dir: &Path, seconds: u64) -> Result<Self> {
        let file = dir.join("all.parquet");
        // Readers that get too little time lose events.
        let mut record = bound("TERM");
        record
            .args(["nice", "-n", "-10"])
            .arg(honeyguide)
            .args(["record", "--json", "--quiet"]);
        record.args(["--seconds", &seconds.to_string()]);
        record.arg("--cgroup").arg(cgroup);
        let mut player = Player::start(record.arg("--out").arg(&file))?;
        let begin = Instant::now();
        while !holds_partial(dir) {
            if !player.is_running() || begin.elapsed() > PATIENCE {
                return Err(Error::Stage("`honeyguide record` did not begin".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            honeyguide: honeyguide.to_owned(),
            file,
            player,
        })
    }

    /// Ends the recording.
    pub fn finish(self) -> Result<Recording> {
        self.player.terminate()?;
        Ok(Recording {
            honeyguide: self.honeyguide,
            file: self.file,
        })
    }
}

/// Returns whether a folder has a file that is being written.
fn holds_partial(dir: &Path) -> bool {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().ends_with(".partial")
    })
}

/// A recording that is complete.
pub struct Recording {
    honeyguide: PathBuf,
    file: PathBuf,
}

impl Recording {
    /// Returns the number of events that were lost.
    pub fn lost(&self) -> Result<i64> {
        let rows = self.rows(
            r#"SELECT coalesce(sum("returnValue"), 0) FROM events WHERE "eventName" = 'lost_events'"#,
        )?;
        Ok(rows.first().map_or(0, |row| row[0]))
    }

    /// Returns every process that has an event.
    pub fn processes(&self) -> Result<Vec<Process>> {
        let query = format!(
            r#"SELECT DISTINCT "processId", {START} FROM events WHERE "processStartTime" > 0 ORDER BY 1, 2"#
        );
        let rows = self.rows(&query)?;
        Ok(rows.iter().map(|row| process(row)).collect())
    }

    /// Returns the marks of intruders.
    pub fn marks(&self) -> Result<Vec<Mark>> {
        let path = r#"arg("args", 'pathname')"#;
        let query = format!(
            r#"SELECT "processId", {START}, {TIME}, CASE WHEN {path} LIKE '{MARKS}evil%' THEN 1 ELSE 0 END,
            CASE WHEN {path} LIKE '%-up-1' THEN 1 WHEN {path} LIKE '%-up-2' THEN 2 ELSE 0 END FROM events WHERE {IS_MARK} ORDER BY 3"#
        );
        let mark = |row: &Vec<i64>| Mark {
            process: process(row),
            time: row[2] as u64,
            label: if row[3] == 1 { Label::Evil } else { Label::Sus },
            up: row[4] as usize,
        };
        Ok(self.rows(&query)?.iter().map(mark).collect())
    }

    /// Writes the labelled events of a host whose first process has the number `init`. Returns their number, and that of
    /// the events with each label.
    pub fn write(
        &self,
        host: &str,
        init: u32,
        labels: &[(Process, Since)],
        out: &Path,
    ) -> Result<[i64; 3]> {
        let (sus, evil) = (
            condition(labels, |since| since.sus),
            condition(labels, |since| since.evil),
        );
        let query = format!(
            r#"SELECT {}, CASE WHEN {sus} THEN 1 ELSE 0 END AS "sus", CASE WHEN {evil} THEN 1 ELSE 0 END AS "evil"
            FROM events WHERE "hostName" = '{host}' AND NOT ({IS_MARK})"#,
            columns(init)
        );
        // One thread leaves the events in their order.
        let mut sql = self.sql(&query);
        output(
            sql.args(["--threads", "1", "--out"])
                .arg(out)
                .arg(&self.file),
        )?;
        let written = Self {
            honeyguide: self.honeyguide.clone(),
            file: out.to_owned(),
        };
        let rows = written.rows(
            r#"SELECT count(*), coalesce(sum("sus"), 0), coalesce(sum("evil"), 0) FROM events"#,
        )?;
        Ok([0, 1, 2].map(|column| rows.first().map_or(0, |row| row[column])))
    }

    fn sql(&self, query: &str) -> std::process::Command {
        command(&self.honeyguide, ["sql", query, "--quiet"])
    }

    /// Returns the rows of an answer that consists of whole numbers.
    fn rows(&self, query: &str) -> Result<Vec<Vec<i64>>> {
        let mut sql = self.sql(query);
        let text = output(sql.arg(&self.file))?;
        rows_of(&text).ok_or_else(|| Error::Output {
            command: crate::command::shown(&sql),
            what: "no rows of whole numbers",
            line: text.lines().take(3).collect(),
        })
    }
}

/// Returns the columns of the labelled file of a host, in SQL. Its first process, which has the number `init`, gets the
/// number 1 and the parent 0, as the host itself sees it. Marks that shells were given in their arguments are cut out. The
/// boot and the cgroup would tell of the machine.
fn columns(init: u32) -> String {
    let seen = |column: &str| format!(r#"CASE "{column}" WHEN {init} THEN 1 ELSE "{column}" END"#);
    format!(
        r#""timestamp", {} AS "processId", {} AS "threadId",
        CASE "processId" WHEN {init} THEN 0 ELSE {} END AS "parentProcessId", "userId", "mountNamespace",
        "processName", "hostName", "eventId", "eventName", "stackAddresses", "argsNum", "returnValue",
        replace("args", '[ -e /stage/evil ]; ', '') AS "args", "processStartTime", "executable", "syscall""#,
        seen("processId"),
        seen("threadId"),
        seen("parentProcessId")
    )
}

/// Returns the condition of the events that carry a label, in SQL.
fn condition(labels: &[(Process, Since)], since: impl Fn(&Since) -> Option<u64>) -> String {
    let (mut whole, mut rest) = (Vec::new(), String::new());
    for ((number, start), labels) in labels {
        match since(labels) {
            Some(0) => whole.push(format!("'{number} {start}'")),
            Some(time) => {
                rest += &format!(
                    r#" OR ("processId" = {number} AND {START} = {start} AND {TIME} >= {time})"#
                );
            }
            None => {}
        }
    }
    // A list must not be empty.
    whole.push("''".to_owned());
    let key = format!(r#"concat(CAST("processId" AS VARCHAR), ' ', CAST({START} AS VARCHAR))"#);
    format!("{key} IN ({}){rest}", whole.join(", "))
}

/// Reads lines of CSV below a header, all of whose fields are whole numbers.
fn rows_of(text: &str) -> Option<Vec<Vec<i64>>> {
    let rows = text.lines().skip(1);
    rows.map(|line| line.split(',').map(|field| field.parse().ok()).collect())
        .collect()
}

fn process(row: &[i64]) -> Process {
    (row[0] as u32, row[1] as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_carry_a_label_from_its_time_on() {
        let since = |sus| Since {
            sus: Some(sus),
            evil: None,
        };
        let labels = [((7, 70), since(0)), ((8, 80), since(85))];
        let sus = condition(&labels, |since| since.sus);
        assert!(
            sus.contains("IN ('7 70', '') OR (\"processId\" = 8 AND"),
            "{sus}"
        );
        assert!(sus.ends_with(" = 80 AND CAST(round(\"timestamp\" * 1e9) AS BIGINT) >= 85)"));
        assert!(condition(&labels, |since| since.evil).ends_with(" IN ('')"));
    }

    #[test]
    fn answers_are_lines_of_whole_numbers() {
        assert_eq!(
            rows_of("a,b\n1,2\n-3,4\n"),
            Some(vec![vec![1, 2], vec![-3, 4]])
        );
        assert_eq!(rows_of("a\n"), Some(Vec::new()));
        assert_eq!(rows_of("a\n1.5\n"), None);
    }
}
