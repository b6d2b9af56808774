//! The scripts that complete commands in shells, and the manual pages: they hold every command and every option.

mod common;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use common::{Folder, commands, wait_for_end};

/// Returns the long options of a help text.
fn options(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start);
    let lines = lines.filter(|line| {
        line.starts_with("--") || line.starts_with("-v, ") || line.starts_with("-h, ")
    });
    let words = lines.filter_map(|line| {
        line.split([' ', ',', '=', '['])
            .find(|word| word.starts_with("--"))
    });
    words.map(str::to_owned).collect()
}

/// Returns every command as its words, with the long options that its help shows. honeyguide itself has no words.
fn all(folder: &Folder) -> Vec<(Vec<String>, BTreeSet<String>)> {
    let mut found = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(words) = open.pop() {
        let args: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = folder.done(&args).stdout;
        for name in commands(&help) {
            open.push(words.iter().cloned().chain([name]).collect());
        }
        found.push((words, options(&help)));
    }
    found
}

/// Returns whether a program is installed.
fn is_installed(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("--version");
    asked.stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok()
}

#[test]
fn every_shell_gets_a_script_with_all_commands_and_options() {
    let folder = Folder::new();
    let all = all(&folder);
    assert!(all.len() > 20, "{all:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = folder.done(&["completions", shell]).stdout;
        for (words, options) in &all {
            for word in words.iter().chain(options) {
                // Fish and others name a long option without its dashes.
                assert!(
                    script.contains(word.trim_start_matches('-')),
                    "{shell}: no {word}"
                );
            }
        }
    }
    folder.refused(&["completions", "tcsh"], 2, &["tcsh", "bash"]);
}

#[test]
fn bash_accepts_its_script_and_completes_with_it() {
    let folder = Folder::new();
    folder.write(
        "honeyguide.bash",
        folder.done(&["completions", "bash"]).stdout,
    );
    let complete = |line: &str| {
        let n_words = line.split(' ').count() - 1;
        let script = format!(
            "set -e; source honeyguide.bash; COMP_WORDS=({line}); COMP_CWORD={n_words}; \
             _honeyguide honeyguide \"${{COMP_WORDS[$COMP_CWORD]}}\" \"${{COMP_WORDS[$COMP_CWORD-1]}}\"; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).current_dir(folder.path(""));
        let child = bash.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let run = wait_for_end(child.expect("bash starts"));
        assert_eq!(run.status, 0, "{line}: {}", run.stderr);
        run.stdout
    };
    let checked = Command::new("bash")
        .args(["-n", "honeyguide.bash"])
        .current_dir(folder.path(""))
        .output();
    let checked = checked.expect("bash starts");
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    assert_eq!(complete("honeyguide tra"), "train\n");
    assert_eq!(complete("honeyguide train --cali"), "--calibrate\n");
    assert_eq!(complete("honeyguide cluster sch"), "scheduler\n");
}

#[test]
fn there_is_a_page_for_every_command_with_all_of_its_options() {
    let folder = Folder::new();
    let said = folder.done(&["man", "--out", "pages"]).stdout;
    let all = all(&folder);
    assert!(said.contains(&format!("{} pages", all.len())), "{said}");
    for (words, options) in all {
        let name = [&["honeyguide".to_owned()], &words[..]].concat().join("-");
        let page = String::from_utf8(folder.read(&format!("pages/{name}.1"))).expect("text");
        for option in options {
            // A page escapes dashes.
            let escaped = option.replace('-', "\\-");
            assert!(page.contains(&escaped), "{name}: no {option}");
        }
        if let [word] = &words[..] {
            assert_eq!(folder.done(&["man", word]).stdout, page);
        }
        if is_installed("groff") {
            let path = folder.path(&format!("pages/{name}.1"));
            let shown = Command::new("groff")
                .args(["-man", "-Tutf8", "-ww"])
                .arg(path)
                .output();
            let shown = shown.expect("groff starts");
            assert_eq!(String::from_utf8_lossy(&shown.stderr), "", "{name}");
        }
    }
    let main = folder.done(&["man"]).stdout;
    assert!(main.contains("honeyguide\\-train(1)"), "{main}");
    folder.refused(&["man", "bake"], 2, &["no command `bake`"]);
}
