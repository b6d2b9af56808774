//! honeyguide on a cluster.
