//! The form of job ids. A job id is a part of paths on executors, and whoever knows it can fetch the job's result. So it
//! is a random UUID in its usual form: nobody can guess it, and it is no path.

use async_trait::async_trait;
use ballista_core::ids::new_instance_id;
use ballista_scheduler::scheduler_server::JobIdGenerator;

/// Draws job ids.
pub(crate) struct JobIds;

#[async_trait]
impl JobIdGenerator for JobIds {
    async fn next_id(&self) -> String {
        // A UUID of version 4, which has 122 random bits.
        new_instance_id()
    }
}

/// Returns whether `text` has the form of a job id: 32 hexadecimal digits in lower case, with hyphens after the 8th,
/// 12th, 16th and 20th.
pub(crate) fn is_job_id(text: &str) -> bool {
    let is_right = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    text.len() == 36 && text.bytes().enumerate().all(is_right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_drawn_has_the_form() {
        for _ in 0..100 {
            assert!(is_job_id(&JobIds.next_id().await));
        }
        for other in [
            "",
            "job",
            "/etc/passwd",
            "../../../../../../../../../../etc/pas",
            "01234567-89ab-cdef-0123-456789abcde/",
            "01234567-89AB-cdef-0123-456789abcdef",
            "01234567-89ab-cdef-0123-456789abcdef0",
            "01234567-89ab-cdef-0123-456789abcdé",
        ] {
            assert!(!is_job_id(other), "{other}");
        }
    }
}
