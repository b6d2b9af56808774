//! Runs of programs: the dynamic loader, the usual calls of a tool, and the shells that start tools.

use super::call::{NO_SUCH_FILE, NO_SUCH_PROCESS};
use super::files::READ;
use super::host::Host;
use super::process::Task;
use super::tools::{self, LIBC, Tool};

impl Host<'_, '_> {
    /// Loads the libraries of a program as the dynamic loader does: reads the library cache, then each library.
    pub(super) fn load(&mut self, task: Task, libraries: &[&str]) {
        self.access(task, "/etc/ld.so.preload", "R_OK", false);
        self.read(task, "/etc/ld.so.cache");
        for library in libraries {
            self.read(
                task,
                &format!("/lib/x86_64-linux-gnu/{library}.so.{}", version_of(library)),
            );
        }
    }

    /// Runs `tool` as a child of `parent` until it ends. `body` makes the calls of this run that are not
    /// common to all runs of the tool.
    pub(super) fn run_with(
        &mut self,
        parent: Task,
        tool: &Tool,
        arguments: &[&str],
        body: impl FnOnce(&mut Self, Task),
    ) {
        let task = self.fork(parent);
        self.become_tool(task, tool, arguments);
        body(self, task);
        self.exit(task);
    }

    /// Runs `tool` as a child of `parent` until it ends, with the calls that are common to all runs.
    pub(super) fn run(&mut self, parent: Task, tool: &Tool, arguments: &[&str]) {
        self.run_with(parent, tool, arguments, |_, _| ());
    }

    /// Turns a forked process into a running `tool` and makes the calls that are common to all its runs.
    pub(super) fn become_tool(&mut self, task: Task, tool: &Tool, arguments: &[&str]) {
        let name = tool.path.rsplit('/').next().unwrap_or(tool.path);
        let argv: Vec<&str> = std::iter::once(name)
            .chain(arguments.iter().copied())
            .collect();
        self.exec(task, tool.path, &argv);
        self.load(task, tool.libraries);
        for path in tool.misses {
            self.access(task, path, "F_OK", false);
        }
        for path in tool.reads {
            self.read(task, path);
        }
        for &(path, bytes) in tool.lists {
            self.list(task, path, bytes);
        }
        if tool.walks_processes {
            self.walk_processes(task);
        }
    }

    /// Reads the state of every live process. Now and then a process ends before its files are opened.
    fn walk_processes(&mut self, task: Task) {
        let folder = self.open(task, "/proc", READ);
        for id in self.tasks.ids() {
            self.stat(task, &format!("/proc/{id}"), true);
            for file in ["stat", "status"] {
                self.read_at_once(task, &format!("/proc/{id}/{file}"));
            }
            if self.random.one_in(8) {
                let granted = self.tasks.user(task) == 0;
                self.capability(task, "CAP_SYS_PTRACE", granted);
            }
            if self.random.one_in(12) {
                self.read_at_once(task, &format!("/proc/{id}/cmdline"));
            }
        }
        if self.random.one_in(6) {
            let gone = self.random.between(2_000, 7_000);
            self.open_fails(task, &format!("/proc/{gone}/status"), READ, NO_SUCH_FILE);
        }
        self.close(task, folder);
    }

    /// Searches the folders of PATH for a tool, up to the folder that holds it, as a shell does.
    pub(super) fn search_path(&mut self, shell: Task, tool: &Tool) {
        let (folder, name) = tool.path.rsplit_once('/').unwrap_or(("", tool.path));
        for place in [
            "/usr/local/sbin",
            "/usr/local/bin",
            "/usr/sbin",
            "/usr/bin",
            "/sbin",
            "/bin",
        ] {
            let found = place == folder || place.strip_prefix("/usr") == Some(folder);
            self.stat(shell, &format!("{place}/{name}"), found);
            if found {
                break;
            }
        }
    }

    /// Runs `tool` from a shell: the shell searches for it and starts it as a child.
    pub(super) fn command(&mut self, shell: Task, tool: &Tool, arguments: &[&str]) {
        self.command_with(shell, tool, arguments, |_, _| ());
    }

    /// Runs `tool` as [`Host::command`] does. `body` makes the calls of this run that are not common to all
    /// runs of the tool.
    pub(super) fn command_with(
        &mut self,
        shell: Task,
        tool: &Tool,
        arguments: &[&str],
        body: impl FnOnce(&mut Self, Task),
    ) {
        self.search_path(shell, tool);
        self.run_with(shell, tool, arguments, body);
    }

    /// Runs several tools that are joined by pipes. All of them start before the first ends.
    pub(super) fn pipeline(&mut self, shell: Task, tools: &[(&Tool, &[&str])]) {
        let mut running = Vec::with_capacity(tools.len());
        let (end, start) = (self.tasks.allocate(shell), self.tasks.allocate(shell));
        for (tool, arguments) in tools {
            self.search_path(shell, tool);
            let task = self.fork(shell);
            self.dup2(task, start, 1);
            self.close(task, end);
            self.close(task, start);
            running.push((task, *tool, *arguments));
        }
        self.close(shell, end);
        self.close(shell, start);
        for &(task, tool, arguments) in &running {
            self.become_tool(task, tool, arguments);
        }
        for (task, ..) in running {
            self.close(task, 1);
            self.exit(task);
        }
    }

    /// Runs a script under `sh` as a child of `parent`. `body` makes the calls of the script.
    pub(super) fn script(
        &mut self,
        parent: Task,
        arguments: &[&str],
        body: impl FnOnce(&mut Self, Task),
    ) {
        let shell = self.fork(parent);
        let argv: Vec<&str> = std::iter::once("sh")
            .chain(arguments.iter().copied())
            .collect();
        self.exec(shell, "/bin/sh", &argv);
        self.load(shell, LIBC);
        body(self, shell);
        self.exit(shell);
    }

    /// Turns a forked process into a login shell and lets it start, up to its first prompt.
    pub(super) fn become_login_shell(&mut self, task: Task, home: &str) {
        self.exec(task, "/bin/bash", &["-bash"]);
        self.load(task, &["libtinfo", "libdl", "libc"]);
        for path in [
            "/etc/profile",
            "/etc/bash.bashrc",
            "/etc/profile.d/apps-bin-path.sh",
            "/etc/inputrc",
        ] {
            self.read(task, path);
        }
        for file in [".profile", ".bashrc", ".bash_history"] {
            self.stat(task, &format!("{home}/{file}"), true);
            self.read(task, &format!("{home}/{file}"));
        }
        self.stat(task, &format!("{home}/.bash_login"), false);
        self.run(task, &tools::DIRCOLORS, &["-b"]);
    }

    /// Sends a signal to each process in `targets`. The call fails for a process that has ended already.
    pub(super) fn signal_all(&mut self, task: Task, targets: &[u32], signal: i64) {
        for &target in targets {
            let gone = self.random.one_in(50);
            self.kill(task, target, signal, if gone { NO_SUCH_PROCESS } else { 0 });
        }
    }
}

/// Returns the number after `.so.` in the name of a library: 6 for the C library, small for others.
fn version_of(library: &str) -> u32 {
    match library {
        "libc" | "libm" => 6,
        "libdl" | "libresolv" | "libcap" => 2,
        "libpthread" | "libpam" | "libpam_misc" | "libcap-ng" | "libmount" | "libblkid" => 0,
        _ => 1,
    }
}
