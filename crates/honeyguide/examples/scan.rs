//! A benchmark of reading alone: the engine's own scan of the columns that a recipe needs.
//!
//! `cargo run --release -p honeyguide --example scan -- FILE THREADS COLUMN…` reads the columns of a `.csv`, `.ndjson`
//! or `.parquet` file and counts the rows, with the settings of honeyguide's scans. Compare its CPU time with that of
//! `honeyguide train`. `bench/reading.py` compares it with the time of scoring.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ident;
use datafusion::prelude::{
    CsvReadOptions, DataFrame, JsonReadOptions, ParquetReadOptions, SessionConfig, SessionContext,
};
use futures::TryStreamExt;
use honeyguide::log::Log;

/// The number of rows per batch, the same as in honeyguide's engine.
const BATCH_ROWS: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: scan FILE THREADS COLUMN…";
    let file = arguments.next().ok_or(usage)?;
    let threads: usize = arguments.next().ok_or(usage)?.parse()?;
    let columns: Vec<String> = arguments.collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .build()?;
    runtime.block_on(scan(&file, threads, &columns))
}

/// Opens a file as a table, by its extension.
async fn open(context: &SessionContext, file: &str) -> Result<DataFrame, Box<dyn Error>> {
    let table = match file.rsplit('.').next() {
        Some("parquet") => {
            context
                .read_parquet(file, ParquetReadOptions::new())
                .await?
        }
        Some("ndjson") => {
            let options = JsonReadOptions::default().file_extension(".ndjson");
            context.read_json(file, options).await?
        }
        _ => {
            let schema = schema_of(file)?;
            let options = CsvReadOptions::new().schema(&schema);
            context.read_csv(file, options).await?
        }
    };
    Ok(table)
}

/// Returns the schema of a CSV file: the columns of its header with the types that they have in BETH.
fn schema_of(file: &str) -> Result<Schema, Box<dyn Error>> {
    let lines = BufReader::new(File::open(file)?).lines();
    let header = lines.map_while(Result::ok).next().ok_or("an empty file")?;
    let fields = header.split(',').map(|name| {
        let data_type = Log::kernel_calls()
            .column_type(name)
            .unwrap_or(&DataType::Utf8)
            .clone();
        Field::new(name, data_type, true)
    });
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

/// Reads the columns of a file and prints the number of rows.
async fn scan(file: &str, threads: usize, columns: &[String]) -> Result<(), Box<dyn Error>> {
    let config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_batch_size(BATCH_ROWS)
        .with_collect_statistics(false);
    let context = SessionContext::new_with_config(config);
    let table = open(&context, file).await?;
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
