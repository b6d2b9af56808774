//! What the wheel of a release weighs, how long its import takes, and which libraries it needs.

use std::fs;
use std::path::{Path, PathBuf};

use super::venv::Venv;
use crate::command::{command, output, target_dir};
use crate::error::{Error, Result};
use crate::statistics::median;

/// The number of imports, each in a new process.
const IMPORTS: usize = 21;

/// Runs `cargo xtask wheel`: prints what is worth knowing of the wheel `given`, or of one that it builds in the release
/// profile.
///
/// # Errors
/// The wheel cannot be built, installed or imported, or there is no `readelf`.
pub fn print_facts(given: Option<&Path>) -> Result<()> {
    let dir = target_dir("wheel")?;
    let venv = Venv::with(dir.join("venv"), "crates/python/tests/requirements.txt")?;
    let wheel = match given {
        Some(wheel) => wheel.to_owned(),
        None => venv.wheel(&dir.join("wheels"), &target_dir("")?, &["--release"])?,
    };
    venv.install_wheel(&wheel)?;
    let library = library(&venv)?;
    let size = |path: &Path| {
        let size = fs::metadata(path).map_err(Error::file(path))?.len();
        Ok::<_, Error>(format!("{:.1} MB", size as f64 / 1e6))
    };
    println!("wheel    {}, {}", wheel.display(), size(&wheel)?);
    println!("library  {}", size(&library)?);
    println!("import   {:.1} ms, the median of {IMPORTS}", import(&venv)?);
    println!("links    {}", linked(&library)?.join(", "));
    println!("needs    {}", newest_glibc(&library)?);
    Ok(())
}

/// Returns the path of the installed library.
fn library(venv: &Venv) -> Result<PathBuf> {
    let program = "import honeyguide._native as native; print(native.__file__)";
    let found = output(&mut command(venv.program("python"), ["-c", program]))?;
    Ok(PathBuf::from(found.trim()))
}

/// Returns the median time of `import honeyguide` in milliseconds.
fn import(venv: &Venv) -> Result<f64> {
    let program = "import time; begun = time.perf_counter(); import honeyguide; print(1e3 * (time.perf_counter() - begun))";
    let times = (0..IMPORTS).map(|_| {
        let mut python = command(venv.program("python"), ["-c", program]);
        let text = output(&mut python)?;
        text.trim().parse().map_err(|_| Error::Output {
            command: "import honeyguide".to_owned(),
            what: "no time",
            line: text,
        })
    });
    Ok(median(&times.collect::<Result<Vec<f64>>>()?))
}

/// Returns the names of the libraries that the dynamic linker loads.
fn linked(library: &Path) -> Result<Vec<String>> {
    let text = output(command("readelf", ["--dynamic", "--wide"]).arg(library))?;
    Ok(needed(&text))
}

/// Returns the names in lines such as `0x01 (NEEDED)  Shared library: [libc.so.6]`.
fn needed(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.contains("(NEEDED)"));
    let names = lines.filter_map(|line| line.split_once('[')?.1.split_once(']'));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// Returns the newest version of glibc that a function of the library needs.
fn newest_glibc(library: &Path) -> Result<String> {
    let text = output(command("readelf", ["--version-info", "--wide"]).arg(library))?;
    Ok(
        newest(&text).map_or("no glibc".to_owned(), |(major, minor)| {
            format!("glibc {major}.{minor} or newer")
        }),
    )
}

/// Returns the greatest version among names such as `GLIBC_2.28`.
fn newest(text: &str) -> Option<(u32, u32)> {
    let names = text.split("GLIBC_").skip(1);
    let versions = names.filter_map(|name| {
        let end = name.find(|char: char| !char.is_ascii_digit() && char != '.');
        let (major, rest) = name[..end.unwrap_or(name.len())].split_once('.')?;
        let minor = rest.split('.').next()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    });
    versions.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_versions_are_read_from_readelf() {
        let dynamic = " 0x0000000000000001 (NEEDED)             Shared library: [libgcc_s.so.1]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
 0x000000000000000e (SONAME)             Library soname: [_native.so]";
        assert_eq!(needed(dynamic), ["libgcc_s.so.1", "libc.so.6"]);
        let versions = "Name: GLIBC_2.2.5  Flags: none\nName: GLIBC_2.28\nName: GLIBC_2.4\n";
        assert_eq!(newest(versions), Some((2, 28)));
        assert_eq!(newest("Name: GCC_3.0"), None);
    }
}
