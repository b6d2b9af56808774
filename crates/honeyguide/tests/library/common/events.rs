//! Tables of made-up events with the columns of BETH. The command line's tests use them too.

use std::fmt::Write as _;

/// The header line with the columns of BETH.
pub const HEADER: &str = "timestamp,processId,threadId,parentProcessId,userId,mountNamespace,processName,hostName,eventId,eventName,stackAddresses,argsNum,returnValue,args,sus,evil";

/// Returns a line with the columns of [`HEADER`]. The values repeat with short periods, so that many events are alike.
pub fn event(index: usize) -> String {
    let rare = usize::from(index % 97 == 96);
    let [process, parent] = [index % 7, index % 5];
    let user = if rare == 1 { 1001 } else { 0 };
    let (call, returned) = (index % 11, index as i64 % 3 - 1);
    format!(
        "{index}.25,{process},{process},{parent},{user},4026531840,cron,host-1,{call},openat,\"[1, 2]\",{args},{returned},\"[{{'name': 'fd', 'value': {index}}}]\",{rare},{rare}",
        args = index % 4,
    )
}

/// Returns a table with the header and `count` events.
pub fn events(count: usize) -> String {
    let mut text = format!("{HEADER}\n");
    for index in 0..count {
        let _ = writeln!(text, "{}", event(index));
    }
    text
}

/// Returns [`events`] with line `line` replaced. The header is line 1.
pub fn events_with_line(count: usize, line: usize, replacement: &str) -> String {
    let mut lines: Vec<String> = events(count).lines().map(str::to_owned).collect();
    lines[line - 1] = replacement.to_owned();
    lines.join("\n") + "\n"
}

/// Returns an event with the value of column `column` replaced. Columns are counted from 0.
pub fn event_with(index: usize, column: usize, value: &str) -> String {
    let text = event(index);
    let mut fields: Vec<&str> = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                fields.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(&text[start..]);
    fields[column] = value;
    fields.join(",")
}

/// Returns the events of [`events`] as newline-delimited JSON.
pub fn events_as_json(count: usize) -> String {
    let line = |index: usize| {
        let rare = usize::from(index % 97 == 96);
        let user = if rare == 1 { 1001 } else { 0 };
        format!(
            "{{\"timestamp\":{index}.25,\"processId\":{},\"threadId\":{},\"parentProcessId\":{},\"userId\":{user},\"mountNamespace\":4026531840,\
             \"processName\":\"cron\",\"hostName\":\"host-1\",\"eventId\":{},\"eventName\":\"openat\",\"stackAddresses\":\"[1, 2]\",\"argsNum\":{},\
             \"returnValue\":{},\"args\":\"[{{'name': 'fd', 'value': {index}}}]\",\"sus\":{rare},\"evil\":{rare}}}\n",
            index % 7,
            index % 7,
            index % 5,
            index % 11,
            index % 4,
            index as i64 % 3 - 1,
        )
    };
    (0..count).map(line).collect()
}

/// Returns `count` lines of JSON. The key `late` occurs first in line `late`, counted from 0, and `later` only in the last
/// line.
pub fn json_with_late_keys(count: usize, late: usize) -> String {
    let mut text = String::new();
    for index in 0..count {
        let more = match index {
            5 => ",\"early\":1",
            index if index == late => ",\"late\":{\"inner\":1}",
            index if index == count - 1 => ",\"later\":null",
            _ => "",
        };
        let _ = writeln!(text, "{{\"a\":{},\"b\":2{more}}}", index % 7);
    }
    text
}

/// Returns a CSV table that `score` wrote without the names of the files, which depend on where the events came from.
pub fn without_files(scored: &[u8]) -> String {
    let text = std::str::from_utf8(scored).expect("text");
    let header: Vec<&str> = text.lines().next().expect("a header").split(',').collect();
    let place = header.iter().position(|name| *name == "source_file");
    let after = header.len() - 1 - place.expect("a column of files");
    let lines = text.lines().map(|line| {
        let mut fields: Vec<&str> = line.rsplitn(after + 2, ',').collect();
        fields.remove(after);
        fields.reverse();
        fields.join(",") + "\n"
    });
    lines.collect()
}
