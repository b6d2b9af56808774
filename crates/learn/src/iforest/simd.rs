//! The processor's instruction sets, and code compiled for each of them: the only `unsafe` code here.

/// An instruction set that this program has code for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instructions {
    /// What every processor of the target has.
    Plain,
    /// 256-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit vectors of any number size, and permutations of their bytes.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Work that is compiled once per instruction set. Its `run` and all that is to use the instructions
/// must be `inline(always)`, because only inlined code is compiled for the set that it is run with.
pub(super) trait Kernel {
    /// Does the work.
    fn run(self);
}

impl Instructions {
    /// The fastest set that this processor has.
    pub(super) fn best() -> Instructions {
        #[cfg(target_arch = "x86_64")]
        {
            if has_avx512() {
                return Instructions::Avx512;
            }
            if is_x86_feature_detected!("avx2") {
                return Instructions::Avx2;
            }
        }
        Instructions::Plain
    }

    /// Runs the work with these instructions.
    pub(super) fn run(self, kernel: impl Kernel) {
        match self {
            Instructions::Plain => kernel.run(),
            // SAFETY: a value of these variants comes from `best` or `available` only, which
            // checked that the processor has what the functions enable.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe { run_avx2(kernel) },
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => unsafe { run_avx512(kernel) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2(kernel: impl Kernel) {
    kernel.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
fn run_avx512(kernel: impl Kernel) {
    kernel.run();
}
