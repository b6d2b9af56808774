//! What reading costs without learning anything: the engine's own scan of the columns that a recipe needs.
//!
//! `cargo run --release -p honeyguide --example scan -- FILE.csv THREADS COLUMN…` reads the columns and counts the rows,
//! with the settings that honeyguide's scans have. Compare its CPU time with that of `honeyguide train`.

use std::error::Error;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ident;
use datafusion::prelude::{CsvReadOptions, SessionConfig, SessionContext};
use futures::TryStreamExt;
use honeyguide::event;

/// As the engine's.
const BATCH_ROWS: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: scan FILE.csv THREADS COLUMN…";
    let file = arguments.next().ok_or(usage)?;
    let threads: usize = arguments.next().ok_or(usage)?.parse()?;
    let columns: Vec<String> = arguments.collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .build()?;
    runtime.block_on(scan(&file, threads, &columns))
}

async fn scan(file: &str, threads: usize, columns: &[String]) -> Result<(), Box<dyn Error>> {
    let header = std::io::BufRead::lines(std::io::BufReader::new(std::fs::File::open(file)?))
        .next()
        .ok_or("an empty file")??;
    let fields = header.split(',').map(|name| {
        let data_type = event::column_type(name).unwrap_or(DataType::Utf8);
        Field::new(name, data_type, true)
    });
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_batch_size(BATCH_ROWS)
        .with_collect_statistics(false);
    let context = SessionContext::new_with_config(config);
    let table = context
        .read_csv(file, CsvReadOptions::new().schema(&schema))
        .await?;
    let columns = columns.iter().map(ident).collect::<Vec<_>>();
    let partitions = table.select(columns)?.execute_stream_partitioned().await?;
    let counts = partitions.into_iter().map(|mut batches| {
        tokio::spawn(async move {
            let mut rows = 0;
            while let Some(batch) = batches.try_next().await? {
                rows += batch.num_rows();
            }
            Ok::<_, DataFusionError>(rows)
        })
    });
    let mut rows = 0;
    for count in counts.collect::<Vec<_>>() {
        rows += count.await??;
    }
    println!("{rows} rows");
    Ok(())
}
