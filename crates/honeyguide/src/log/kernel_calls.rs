//! Kernel calls in the columns of the BETH data set (Highnam et al. 2021).

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::Operator;

use super::{BaselineRule, Definition, Lineages, ListKind, Notation};

/// A row is one kernel call. The columns are the 16 of BETH's labelled files, in their order; data may lack some
/// (BETH's per-host files have 13) or have others.
pub(super) const KERNEL_CALLS: Definition = Definition {
    name: "a log of kernel calls",
    columns: &[
        ("timestamp", DataType::Float64),
        ("processId", DataType::Int64),
        ("threadId", DataType::Int64),
        ("parentProcessId", DataType::Int64),
        ("userId", DataType::Int64),
        ("mountNamespace", DataType::Int64),
        ("processName", DataType::Utf8),
        ("hostName", DataType::Utf8),
        ("eventId", DataType::Int64),
        ("eventName", DataType::Utf8),
        ("stackAddresses", DataType::Utf8),
        ("argsNum", DataType::Int64),
        ("returnValue", DataType::Int64),
        ("args", DataType::Utf8),
        ("sus", DataType::Int64),
        ("evil", DataType::Int64),
    ],
    marks: &["eventName", "eventId"],
    min_columns: 4,
    host: Some("hostName"),
    time: Some("timestamp"),
    time_origin: Some("boot"),
    process: &["processId", "processName"],
    parent: Some("parentProcessId"),
    thread: Some("threadId"),
    user: Some("userId"),
    action: Some("eventName"),
    program: Some("processName"),
    identifying: &[
        "timestamp",
        "hostName",
        "processName",
        "processId",
        "userId",
        "eventName",
        "returnValue",
    ],
    // `sus`: unusual enough to look at; `evil`: part of an attack.
    labels: &["sus", "evil"],
    // Ordinary users of a Linux host have ids from 1000.
    baseline: Some(BaselineRule {
        column: "userId",
        comparison: Operator::GtEq,
        constant: 1000,
    }),
    default_recipe: "context",
    lists: &[
        ("args", ListKind::Arguments),
        ("stackAddresses", ListKind::Addresses),
    ],
    lineages: Lineages {
        // The scheduler, init and the parent of the kernel's threads.
        inits: &[0, 1, 2],
        // The kernel keeps 15 bytes of a program's name.
        starters: &[
            "sshd",
            "sshd-session",
            "cron",
            "crond",
            "CRON",
            "containerd-shim",
            "conmon",
            "dockerd",
        ],
        schedulers: &["cron", "crond", "CRON"],
        ends: &["sched_process_exit"],
    },
    path: Some("coalesce(arg(args, 'pathname'), arg(args, 'path'))"),
    address: Some(
        r#"array_element(regexp_match(coalesce(arg(args, 'addr'), arg(args, 'remote_addr')), 'sin6?_addr[''"]: ?[''"]([^''"]+)'), 1)"#,
    ),
    notation: Notation::Python,
};
