//! Objects with odd keys in a bucket: what is a path is read under its name, and the rest blocks nothing and is named. The
//! store is a small server that speaks as much of S3 as the client asks for.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use honeyguide::sql::TextFormat;
use honeyguide::{ErrorKind, ReadOptions, Result, Source, StorageOptions};
use url::Url;

use crate::common::{answer, engine, failed};

/// The objects of a bucket called `lake`, by key.
type Objects = BTreeMap<String, Vec<u8>>;

/// Starts a store that runs until the test program ends, and returns the options with which it is reached.
fn start(objects: Objects) -> StorageOptions {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let objects = Arc::new(objects);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(std::result::Result::ok) {
            let objects = Arc::clone(&objects);
            std::thread::spawn(move || {
                let reader = BufReader::new(stream.try_clone().expect("a socket"));
                let _ = serve(reader, stream, &objects);
            });
        }
    });
    let mut options = StorageOptions::default();
    for option in [
        &format!("aws_endpoint_url={endpoint}"),
        "aws_allow_http=true",
        "aws_skip_signature=true",
        "aws_region=us-east-1",
    ] {
        options.set(option).expect("an option");
    }
    options
}

/// Answers the requests of a connection, one after the other.
fn serve(
    mut reader: BufReader<TcpStream>,
    mut out: TcpStream,
    objects: &Objects,
) -> std::io::Result<()> {
    loop {
        let (mut request, mut range) = (String::new(), None);
        loop {
            let mut line = String::new();
            if reader.by_ref().take(1 << 16).read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if request.is_empty() {
                request = line.to_owned();
            }
            let lower = line.to_ascii_lowercase();
            range = lower
                .strip_prefix("range: bytes=")
                .map(str::to_owned)
                .or(range);
        }
        let mut words = request.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let url = Url::parse(&format!("http://store{target}")).expect("a URL");
        let is_list = url.query_pairs().any(|(key, _)| key == "list-type");
        if is_list {
            let prefix = url.query_pairs().find(|(key, _)| key == "prefix");
            let list = listed(
                objects,
                &prefix
                    .map(|(_, value)| value.into_owned())
                    .unwrap_or_default(),
            );
            send(&mut out, "200 OK", "", list.as_bytes(), true)?;
            continue;
        }
        let key = url.path().strip_prefix("/lake/").unwrap_or_default();
        let key = percent_decoded(key);
        let Some(object) = objects.get(&key) else {
            send(&mut out, "404 Not Found", "", b"", true)?;
            continue;
        };
        let headers = "ETag: \"one\"\r\nLast-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n";
        match range.as_deref().and_then(|range| range.split_once('-')) {
            Some((start, last)) if method == "GET" => {
                let start: usize = start.parse().expect("a start");
                let end = last
                    .parse()
                    .map_or(object.len(), |last: usize| last + 1)
                    .min(object.len());
                let range = format!(
                    "Content-Range: bytes {start}-{}/{}\r\n",
                    end - 1,
                    object.len()
                );
                send(
                    &mut out,
                    "206 Part",
                    &(headers.to_owned() + &range),
                    &object[start..end],
                    true,
                )?;
            }
            _ => send(&mut out, "200 OK", headers, object, method == "GET")?,
        }
    }
}

fn send(
    out: &mut TcpStream,
    status: &str,
    headers: &str,
    body: &[u8],
    has_body: bool,
) -> std::io::Result<()> {
    write!(
        out,
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )?;
    if has_body {
        out.write_all(body)?;
    }
    Ok(())
}

fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits =
                    [rest.next(), rest.next()].map(|digit| char::from(digit.unwrap_or(b'0')));
                u8::from_str_radix(&String::from_iter(digits), 16).expect("two digits")
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).expect("a key is text")
}

fn listed(objects: &Objects, prefix: &str) -> String {
    let found = objects.iter().filter(|(key, _)| key.starts_with(prefix));
    let found = found.map(|(key, object)| {
        let key = key.replace('&', "&amp;").replace('<', "&lt;");
        format!(
            "<Contents><Key>{key}</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified><ETag>&quot;one&quot;</ETag>\
             <Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            object.len()
        )
    });
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><Name>lake</Name><IsTruncated>false</IsTruncated>{}\
         </ListBucketResult>",
        found.collect::<String>()
    )
}

/// Returns a store whose objects have one row each, numbered in the order of `keys`.
fn store(keys: &[&str]) -> StorageOptions {
    let rows = keys.iter().enumerate();
    let rows = rows.map(|(row, key)| ((*key).to_owned(), format!("x\n{row}\n").into_bytes()));
    start(rows.collect())
}

fn open(url: &str, storage: &StorageOptions) -> Result<Source> {
    let options = ReadOptions {
        storage: storage.clone(),
        ..ReadOptions::default()
    };
    Source::open_with([url], &options)
}

/// Returns the rows that are read from `url`.
async fn rows(url: &str, storage: &StorageOptions) -> Vec<String> {
    let source = open(url, storage).unwrap_or_else(|error| panic!("{url}: {error}"));
    let query = "SELECT x FROM events ORDER BY x";
    let text = answer(&engine(2), source, query, TextFormat::Csv).await;
    text.lines().skip(1).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_keys_block_nothing_and_are_named() {
    let storage = store(&[
        "logs/a.csv",
        "logs//b.csv",
        "logs/./c.csv",
        "logs/../d.csv",
        "logs/e & f.csv",
        "logs/g%20h.csv",
    ]);
    for url in ["s3://lake/logs", "s3://lake/logs/", "s3://lake/logs/*.csv"] {
        assert_eq!(rows(url, &storage).await, ["0", "4", "5"], "{url}");
        let source = open(url, &storage).expect("a source");
        let [left_out] = source.left_out() else {
            panic!("{:?}", source.left_out());
        };
        for part in [
            "3 objects were left out",
            "`logs//b.csv`",
            "`logs/./c.csv`",
            "`logs/../d.csv`",
        ] {
            assert!(left_out.contains(part), "no `{part}` in {left_out}");
        }
    }
    let error = failed(open("s3://lake/logs//b.csv", &storage));
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.message().contains("must not be empty"), "{error}");
    assert!(
        open("s3://lake/logs/a.csv", &storage)
            .expect("a source")
            .left_out()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_with_percent_signs_brackets_and_spaces_can_be_named() {
    let storage = store(&[
        "host=a%3Ab/part-0.csv",
        "host=a:b/part-0.csv",
        "my file.csv",
        "logs[1].csv",
        "logs1.csv",
    ]);
    for (url, expected) in [
        ("s3://lake/host=a%3Ab/part-0.csv", "0"),
        ("s3://lake/host=a%3Ab/", "0"),
        ("s3://lake/host=a:b/part-0.csv", "1"),
        ("s3://lake/my file.csv", "2"),
        ("s3://lake/my%20file.csv", "2"),
        ("s3://lake/logs[1].csv", "3"),
        ("s3://lake/logs[[]1].csv", "3"),
        ("s3://lake/logs[12].csv", "4"),
    ] {
        assert_eq!(rows(url, &storage).await, [expected], "{url}");
    }
    let error = failed(open("s3://lake/logs[3].csv", &storage));
    assert!(error.message().contains("no object matches"), "{error}");
}
