//! Parses each line of a file of JSON lines, and prints the number of lines and the seconds of CPU time that this took: what
//! a JSON parser alone needs, without columns, scores and incidents. The file is read before the time begins.

fn main() {
    let path = std::env::args_os().nth(1).expect("usage: parse-lines FILE");
    let text = std::fs::read(path).expect("a file");
    let begun = cpu_seconds();
    let mut lines = 0_u64;
    let mut members = 0_usize;
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let value: sonic_rs::Value = sonic_rs::from_slice(line).expect("JSON");
        // What nobody reads, the compiler might leave out.
        members += sonic_rs::JsonContainerTrait::as_object(&value).map_or(0, |object| object.len());
        lines += 1;
    }
    let seconds = cpu_seconds() - begun;
    assert!(members as u64 >= lines, "objects have members");
    println!("{lines} {seconds}");
}

/// Returns the CPU time of this thread so far, as Linux counts it.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    nanoseconds.map_or(f64::NAN, |nanoseconds: f64| nanoseconds / 1e9)
}
