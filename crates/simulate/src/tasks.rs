//! Calls on processes, threads and user ids. Each function writes the rows that the sensor records for its
//! calls.

use super::call::{Call, NOT_PERMITTED};
use super::files::{ROOT_DEVICE, inode, resolved};
use super::host::Host;
use super::process::Task;
use super::text::{Arg, Value};

impl Host<'_, '_> {
    /// Starts a child process.
    pub(super) fn fork(&mut self, task: Task) -> Task {
        let child = self.tasks.child_of(task);
        let child_tid = self.tasks.image(task).library + 0x2_70BF;
        let flags = "CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID";
        self.emit_clone(task, flags, [0, 0, child_tid], self.tasks.id(child));
        child
    }

    /// Starts a thread. At first it has the name of the thread that starts it.
    pub(super) fn start_thread(&mut self, task: Task) -> Task {
        let thread = self.tasks.thread_of(task);
        let flags = "CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM|CLONE_SETTLS|\
                     CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID";
        let top = self.tasks.image(task).library + 0x40_0000;
        self.emit_clone(
            task,
            flags,
            [top + 0xFB0, top + 0x19D0, top + 0x19D0],
            self.tasks.thread_id(thread),
        );
        thread
    }

    fn emit_clone(
        &mut self,
        task: Task,
        flags: &str,
        [stack, parent, child]: [u64; 3],
        returns: u32,
    ) {
        let args = [
            Arg("flags", self.dialect.clone_flags, Value::Text(flags)),
            Arg("stack", "void*", Value::Pointer(stack)),
            Arg("parent_tid", "int*", Value::Pointer(parent)),
            Arg("child_tid", "int*", Value::Pointer(child)),
            Arg::number(
                "tls",
                "unsigned long",
                if stack == 0 { 0 } else { stack as i64 + 0x750 },
            ),
        ];
        self.emit(task, Call::Clone, i64::from(returns), &args);
    }

    /// Sets the name of a thread through `prctl`.
    pub(super) fn set_name(&mut self, task: Task, name: &str) {
        self.tasks.rename(task, name);
        self.prctl(task, "PR_SET_NAME");
    }

    /// Sets a property of a process through `prctl`.
    pub(super) fn prctl(&mut self, task: Task, option: &'static str) {
        let image = self.tasks.image(task);
        let args = [
            Arg("option", "int", Value::Text(option)),
            Arg::number("arg2", "unsigned long", image.code as i64 + 0x1D59),
            Arg::number("arg3", "unsigned long", image.code as i64 + 0x1D59),
            Arg::number("arg4", "unsigned long", image.library as i64 + 0x111E),
            Arg::number("arg5", "unsigned long", 0),
        ];
        self.emit(task, Call::Prctl, 0, &args);
    }

    /// Replaces the program of a process. The rows of the call itself still carry the old name.
    pub(super) fn exec(&mut self, task: Task, path: &str, argv: &[&str]) {
        let args = [
            Arg::text("pathname", path),
            Arg("argv", "const char*const*", Value::List(argv)),
        ];
        self.emit(task, Call::Execve, 0, &args);
        let real = resolved(path);
        let file = [
            Arg::text("pathname", &real),
            Arg::number("dev", "dev_t", ROOT_DEVICE),
            Arg::number("inode", "unsigned long", inode(&real)),
        ];
        self.emit(task, Call::BprmCheck, 0, &file);
        let image = self.draw_image();
        self.tasks.replace_image(task, image);
        self.tasks
            .rename(task, path.rsplit('/').next().unwrap_or(path));
    }

    /// Ends a thread. If it is the main thread, its process ends.
    pub(super) fn exit(&mut self, task: Task) {
        self.emit(task, Call::Exit, 0, &[]);
        self.tasks.remove(task);
    }

    /// Sends a signal to the process `target`, with the result `returns`.
    pub(super) fn kill(&mut self, task: Task, target: u32, signal: i64, returns: i64) {
        let args = [
            Arg::number("pid", "pid_t", i64::from(target)),
            Arg::number("sig", "int", signal),
        ];
        self.emit(task, Call::Kill, returns, &args);
    }

    /// Writes a capability check that the kernel makes on a process.
    pub(super) fn capability(&mut self, task: Task, name: &'static str, granted: bool) {
        self.emit(
            task,
            Call::CapCapable,
            if granted { 0 } else { NOT_PERMITTED },
            &[Arg("cap", "int", Value::Text(name))],
        );
    }

    /// Drops root privileges permanently for those of `user`: first the group id, then the user id.
    pub(super) fn become_user(&mut self, task: Task, user: u32) {
        let id = i64::from(user);
        self.capability(task, "CAP_SETGID", true);
        self.emit(
            task,
            Call::Setgid,
            0,
            &[Arg::number("gid", self.dialect.group, id)],
        );
        self.capability(task, "CAP_SETUID", true);
        self.emit(task, Call::Setuid, 0, &[Arg::number("uid", "uid_t", id)]);
        self.tasks.set_user(task, user);
    }

    /// Runs `action` with the effective ids of `user` and then returns to root. The sensor reports the real
    /// ids, which do not change.
    pub(super) fn borrow_user(
        &mut self,
        task: Task,
        user: u32,
        action: impl FnOnce(&mut Self, Task),
    ) {
        self.set_effective_ids(task, user);
        action(self, task);
        self.set_effective_ids(task, 0);
    }

    fn set_effective_ids(&mut self, task: Task, user: u32) {
        let group = self.dialect.group;
        let ids = [
            Arg::number("rgid", group, -1),
            Arg::number("egid", group, i64::from(user)),
        ];
        self.emit(task, Call::Setregid, 0, &ids);
        let ids = [
            Arg::number("ruid", "uid_t", -1),
            Arg::number("euid", "uid_t", i64::from(user)),
        ];
        self.emit(task, Call::Setreuid, 0, &ids);
    }
}
