/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The part of the sensor that runs in the kernel. It writes one record for each traced call into a ring buffer.
 * `src/raw.rs` reads these records, and its structures mirror those of this file.
 *
 * Arguments are read when a call returns: the registers still hold them, and the kernel has just read the memory that
 * they point to, so that its pages are there. Only a successful execve replaces the registers; it is recorded when the
 * new program starts.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

/* Several helpers are only for programs whose licence is compatible with the kernel's. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Texts are recorded up to the longest path of Linux, with the NUL. */
#define TEXT_MAX 4096
/* The room for texts. A text begins at most at DATA_LAST, so that the longest one fits. */
#define DATA_MAX 16384
#define DATA_LAST (DATA_MAX - TEXT_MAX - 4)
/* The deepest path that is followed, in components and mounts. */
#define DEPTH_MAX 64
/* The largest number of arguments that are read of an execve that failed. */
#define ARGV_MAX 64
/* The numbers of system calls. Those of 32-bit programs follow those of 64-bit programs. */
#define CALLS 512
/* The size of the ring buffer unless the loader sets another. */
#define RING_BYTES (16 << 20)
/* The number of processes whose program is known to be written already. */
#define KNOWN_MAX 32768

/* What a record is, beside the number of a system call. */
enum {
	RECORD_COMPAT = CALLS, /* added to the number of a 32-bit program's call */
	RECORD_EXEC = 2000,
	RECORD_EXIT,
	RECORD_FILE_OPEN,
	RECORD_BPRM_CHECK,
	RECORD_PROCESS,
};
/* How a text was read. */
enum { TEXT_USER, TEXT_KERNEL, TEXT_BYTES };
/* What a text is; KIND_CUT and KIND_UNREADABLE are flags. */
enum { KIND_TEXT = 1, KIND_BYTES, KIND_PATH, KIND_CGROUP, KIND_ARGV, KIND_CUT = 0x40, KIND_UNREADABLE = 0x80 };
/* What is filtered. */
enum { FILTER_MOUNTS = 1, FILTER_CGROUP = 2, FILTER_USER = 4 };

struct config {
	u64 cgroup;       /* the id of the cgroup whose events are wanted */
	u32 cgroup_level; /* its depth below the root */
	u32 mounts;       /* the mount namespace whose events are wanted */
	u32 user;         /* the user whose events are wanted */
	u32 filters;
	u32 claim;        /* the owner with which the sensor calls lchown to show which process it is */
	u32 own;          /* the sensor's process; nothing is recorded before it is known */
};

/* How to record a system call. */
struct call {
	u8 wanted;
	u8 texts;        /* a bit for each argument that is a text */
	u8 address;      /* 1 + the argument that is a socket address, or 0; its length is the next one */
	u8 length_at;    /* whether the length is where the next argument points to */
	u8 argv;         /* 1 + the argument that is a list of texts, or 0 */
	u8 bytes;        /* 1 + the argument that points to a structure, or 0 */
	u8 bytes_len;
	u8 flags;
};
enum { CALL_OPENS = 1, CALL_FORKS = 2, CALL_EXECS = 4 };

struct header {
	u64 time, start, cgroup, lost;
	s64 returned;
	u64 args[6];
	u32 record, process, thread, parent, user, mounts, cpu, data_len;
	char name[16];
	char host[64];
};
struct scratch {
	struct header header;
	u8 data[DATA_MAX];
};
struct counts {
	u64 emitted, lost, cut;
};
struct process {
	u64 start, exec_id, cgroup;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct config);
} config SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * CALLS);
	__type(key, u32);
	__type(value, struct call);
} calls SEC(".maps");
/* One slot for each program, as one can interrupt another. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counts);
} counters SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, KNOWN_MAX);
	__type(key, u32);
	__type(value, struct process);
} known SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
} events SEC(".maps");

static __always_inline struct config *settings(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&config, &zero);
}

static __always_inline struct counts *counted(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&counters, &zero);
}

/* Returns whether the events of the current thread are wanted. */
static __always_inline bool is_wanted(struct config *c, struct task_struct *t)
{
	if (!c->own || (u32)t->tgid == c->own)
		return 0;
	u32 filters = c->filters;
	if (!filters)
		return 1;
	if (filters & FILTER_MOUNTS) {
		struct nsproxy *ns = t->nsproxy;
		if (BPF_CORE_READ(ns, mnt_ns, ns.inum) != c->mounts)
			return 0;
	}
	if (filters & FILTER_USER && BPF_CORE_READ(t, cred, uid.val) != c->user)
		return 0;
	if (filters & FILTER_CGROUP && bpf_get_current_ancestor_cgroup_id(c->cgroup_level) != c->cgroup)
		return 0;
	return 1;
}

/* Appends a text to the data of a slot and returns where the next one goes. It is a global function, which the kernel
 * verifies once and not at each of its calls. `what` holds the slot, the argument, the kind and how to read it, a byte
 * each.
 */
__noinline int append(u32 what, u32 at, u64 from, u32 len)
{
	u32 slot = what & 0xff, kind = what >> 16 & 0xff, how = what >> 24;
	struct scratch *s = bpf_map_lookup_elem(&scratches, &slot);
	if (!s || at > DATA_LAST)
		return at & (DATA_MAX - 1);
	u8 *d = &s->data[at];
	long n;
	if (how == TEXT_USER) {
		n = bpf_probe_read_user_str(d + 4, TEXT_MAX, (void *)from);
	} else if (how == TEXT_KERNEL) {
		n = bpf_probe_read_kernel_str(d + 4, TEXT_MAX, (void *)from);
	} else {
		u64 wanted = len;
		if (wanted > TEXT_MAX - 1) {
			wanted = TEXT_MAX - 1;
			kind |= KIND_CUT;
		}
		barrier_var(wanted);
		wanted &= TEXT_MAX - 1;
		n = bpf_probe_read_user(d + 4, wanted, (void *)from);
		if (!n)
			n = wanted;
	}
	if (n < 0) {
		kind |= KIND_UNREADABLE;
		n = 0;
	}
	if (n >= TEXT_MAX) {
		kind |= KIND_CUT;
		n = TEXT_MAX;
	}
	if (kind & KIND_CUT) {
		struct counts *k = counted();
		if (k)
			k->cut++;
	}
	d[0] = what >> 8;
	d[1] = kind;
	d[2] = n & 0xff;
	d[3] = n >> 8;
	return at + 4 + (u32)n;
}
#define append_text(slot, at, arg, kind, from, len, how) \
	append((slot) | (arg) << 8 | (kind) << 16 | (u32)(how) << 24, at, (u64)(from), len)

struct file_walk {
	struct dentry *dentry;
	struct mount *mount;
	u32 at, slot;
};

/* Appends the name of a file or folder and goes on to its parent. At the root of a mount it goes on to where that is
 * mounted.
 */
static long walk_up(u32 i, struct file_walk *w)
{
	struct mount *m = w->mount;
	struct dentry *d = w->dentry, *parent = BPF_CORE_READ(d, d_parent);
	if (d == BPF_CORE_READ(m, mnt.mnt_root) || d == parent) {
		struct mount *outer = BPF_CORE_READ(m, mnt_parent);
		if (outer == m || !outer)
			return 1;
		w->dentry = BPF_CORE_READ(m, mnt_mountpoint);
		w->mount = outer;
		return 0;
	}
	w->at = append_text(w->slot, w->at, 0, KIND_PATH, BPF_CORE_READ(d, d_name.name), 0, TEXT_KERNEL);
	w->dentry = parent;
	return 0;
}

/* Appends the path of an open file, from its name up. */
static __always_inline u32 append_path(u32 slot, u32 at, struct file *f)
{
	struct vfsmount *mounted = BPF_CORE_READ(f, f_path.mnt);
	struct file_walk w = {
		.dentry = BPF_CORE_READ(f, f_path.dentry),
		.mount = (void *)mounted - bpf_core_field_offset(struct mount, mnt),
		.at = at,
		.slot = slot,
	};
	bpf_loop(DEPTH_MAX, walk_up, &w, 0);
	return w.at;
}

struct cgroup_walk {
	struct kernfs_node *node;
	u32 at, slot;
};

static long walk_cgroup(u32 i, struct cgroup_walk *w)
{
	struct kernfs_node *node = w->node, *parent;
	struct kernfs_node___renamed *renamed = (void *)node;
	if (bpf_core_field_exists(renamed->__parent))
		parent = BPF_CORE_READ(renamed, __parent);
	else
		parent = BPF_CORE_READ(node, parent);
	if (!parent)
		return 1;
	w->at = append_text(w->slot, w->at, 0, KIND_CGROUP, BPF_CORE_READ(node, name), 0, TEXT_KERNEL);
	w->node = parent;
	return 0;
}

struct argv_walk {
	u64 list;
	u32 at, slot;
};

static long walk_argv(u32 i, struct argv_walk *w)
{
	u64 text = 0;
	if (bpf_probe_read_user(&text, sizeof(text), (void *)(w->list + 8 * i)) || !text)
		return 1;
	w->at = append_text(w->slot, w->at, 1, KIND_ARGV, text, 0, TEXT_USER);
	return 0;
}

static __always_inline struct scratch *begin(struct task_struct *t, u32 slot, u32 record, s64 returned)
{
	struct scratch *s = bpf_map_lookup_elem(&scratches, &slot);
	if (!s)
		return 0;
	struct header *h = &s->header;
	h->time = bpf_ktime_get_boot_ns();
	h->start = BPF_CORE_READ(t, group_leader, start_boottime);
	h->cgroup = bpf_get_current_cgroup_id();
	h->returned = returned;
	h->record = record;
	h->process = t->tgid;
	h->thread = t->pid;
	h->parent = BPF_CORE_READ(t, real_parent, tgid);
	h->user = BPF_CORE_READ(t, cred, uid.val);
	h->cpu = bpf_get_smp_processor_id();
	struct nsproxy *ns = t->nsproxy;
	h->mounts = BPF_CORE_READ(ns, mnt_ns, ns.inum);
	bpf_get_current_comm(h->name, sizeof(h->name));
	struct uts_namespace *uts = BPF_CORE_READ(ns, uts_ns);
	bpf_core_read_str(h->host, sizeof(h->host), &uts->name.nodename);
	__builtin_memset(h->args, 0, sizeof(h->args));
	return s;
}

static __always_inline long submit(struct scratch *s, u32 data_len)
{
	s->header.data_len = data_len;
	u64 len = sizeof(struct header) + data_len;
	if (len > sizeof(*s))
		len = sizeof(*s);
	/* Waking the reader costs more than all else. It looks by itself, many times a second. */
	return bpf_ringbuf_output(&events, s, len, BPF_RB_NO_WAKEUP);
}

/* Submits an event and counts it. */
static __always_inline void emit(struct scratch *s, u32 data_len)
{
	struct counts *k = counted();
	if (!k)
		return;
	s->header.lost = k->lost;
	__sync_fetch_and_add(&k->emitted, 1);
	if (submit(s, data_len))
		__sync_fetch_and_add(&k->lost, 1);
}

/* Submits what events of a process have in common, its program and its cgroup, unless the reader has it already. */
static __always_inline void introduce(struct task_struct *t, u32 slot)
{
	u32 key = t->tgid;
	struct process now = {
		.start = BPF_CORE_READ(t, group_leader, start_boottime),
		.exec_id = t->self_exec_id,
		.cgroup = bpf_get_current_cgroup_id(),
	};
	struct process *then = bpf_map_lookup_elem(&known, &key);
	if (then && then->start == now.start && then->exec_id == now.exec_id && then->cgroup == now.cgroup)
		return;
	struct mm_struct *mm = t->mm;
	struct file *program = BPF_CORE_READ(mm, exe_file);
	struct scratch *s = begin(t, slot, RECORD_PROCESS, 0);
	if (!s)
		return;
	u32 at = program ? append_path(slot, 0, program) : 0;
	struct cgroup_walk w = {.node = BPF_CORE_READ(t, cgroups, dfl_cgrp, kn), .at = at, .slot = slot};
	bpf_loop(DEPTH_MAX, walk_cgroup, &w, 0);
	if (!submit(s, w.at))
		bpf_map_update_elem(&known, &key, &now, BPF_ANY);
}

/* Appends the arguments of a call that are more than a number. */
static __always_inline u32 append_arguments(const struct call *call, const u64 *a)
{
	u32 at = 0, texts = call->texts;
	if (texts & 1)
		at = append_text(0, at, 0, KIND_TEXT, a[0], 0, TEXT_USER);
	if (texts & 2)
		at = append_text(0, at, 1, KIND_TEXT, a[1], 0, TEXT_USER);
	if (texts & 4)
		at = append_text(0, at, 2, KIND_TEXT, a[2], 0, TEXT_USER);
	if (call->address && a[1]) {
		u32 len = a[2];
		if (call->length_at) {
			len = 0;
			bpf_probe_read_user(&len, sizeof(len), (void *)a[2]);
		}
		if (len > 128)
			len = 128;
		if (len)
			at = append_text(0, at, 1, KIND_BYTES, a[1], len, TEXT_BYTES);
	}
	if (call->bytes == 1 && a[0])
		at = append_text(0, at, 0, KIND_BYTES, a[0], call->bytes_len, TEXT_BYTES);
	if (call->bytes == 3 && a[2])
		at = append_text(0, at, 2, KIND_BYTES, a[2], call->bytes_len, TEXT_BYTES);
	if (call->argv) {
		struct argv_walk w = {.list = call->argv == 2 ? a[1] : a[2], .at = at, .slot = 0};
		bpf_loop(ARGV_MAX, walk_argv, &w, 0);
		at = w.at;
	}
	return at;
}

static __always_inline void fill_file(struct scratch *s, struct file *f)
{
	s->header.args[1] = BPF_CORE_READ(f, f_flags);
	s->header.args[2] = BPF_CORE_READ(f, f_inode, i_sb, s_dev);
	s->header.args[3] = BPF_CORE_READ(f, f_inode, i_ino);
}

/* Records which file a call has opened: the path that it named can be relative, or a symbolic link. */
static __always_inline void emit_opened(struct task_struct *t, u32 fd)
{
	struct fdtable *table = BPF_CORE_READ(t, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *f = 0;
	if (fd >= BPF_CORE_READ(table, max_fds))
		return;
	bpf_probe_read_kernel(&f, sizeof(f), &files[fd]);
	if (!f)
		return;
	struct scratch *s = begin(t, 0, RECORD_FILE_OPEN, 0);
	if (!s)
		return;
	fill_file(s, f);
	emit(s, append_path(0, 0, f));
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long returned)
{
	u32 number = regs->orig_ax;
	if (number >= CALLS)
		return 0;
	struct task_struct *t = bpf_get_current_task_btf();
	bool compat = t->thread_info.status & TS_COMPAT;
	u32 key = compat ? number + CALLS : number;
	struct call *call = bpf_map_lookup_elem(&calls, &key);
	if (!call || !call->wanted)
		return 0;
	struct config *c = settings();
	if (!c)
		return 0;
	/* lchown is 94. */
	if (!c->own && key == 94 && (u32)regs->si == c->claim)
		c->own = t->tgid;
	if (!is_wanted(c, t))
		return 0;
	/* In the new thread, and after a successful execve, the call's arguments are gone. */
	if (!returned && call->flags & (CALL_FORKS | CALL_EXECS))
		return 0;
	introduce(t, 0);
	if (call->flags & CALL_OPENS && returned >= 0)
		emit_opened(t, returned);
	struct scratch *s = begin(t, 0, key, returned);
	if (!s)
		return 0;
	u64 a[6];
	if (compat) {
		a[0] = (u32)regs->bx;
		a[1] = (u32)regs->cx;
		a[2] = (u32)regs->dx;
		a[3] = (u32)regs->si;
		a[4] = (u32)regs->di;
		a[5] = (u32)regs->bp;
	} else {
		a[0] = regs->di;
		a[1] = regs->si;
		a[2] = regs->dx;
		a[3] = regs->r10;
		a[4] = regs->r8;
		a[5] = regs->r9;
	}
	__builtin_memcpy(s->header.args, a, sizeof(a));
	emit(s, append_arguments(call, a));
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *t, int old_thread, struct linux_binprm *program)
{
	struct config *c = settings();
	if (!c || !is_wanted(c, t))
		return 0;
	introduce(t, 1);
	struct scratch *s = begin(t, 1, RECORD_EXEC, 0);
	if (!s)
		return 0;
	s->header.args[0] = old_thread;
	u32 at = append_text(1, 0, 0, KIND_TEXT, BPF_CORE_READ(program, filename), 0, TEXT_KERNEL);
	struct mm_struct *mm = t->mm;
	u64 start = BPF_CORE_READ(mm, arg_start), end = BPF_CORE_READ(mm, arg_end);
	at = append_text(1, at, 1, KIND_BYTES, start, end - start, TEXT_BYTES);
	emit(s, at);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *t)
{
	struct config *c = settings();
	if (!c || !is_wanted(c, t))
		return 0;
	introduce(t, 2);
	struct scratch *s = begin(t, 2, RECORD_EXIT, 0);
	if (!s)
		return 0;
	u32 key = t->tgid, is_last = BPF_CORE_READ(t, signal, live.counter) == 0;
	s->header.args[0] = t->exit_code;
	s->header.args[1] = is_last;
	emit(s, 0);
	if (is_last)
		bpf_map_delete_elem(&known, &key);
	return 0;
}

/* The kernel has this tracepoint since Linux 6.10. */
SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(on_prepare_exec, struct task_struct *t, struct linux_binprm *program)
{
	struct config *c = settings();
	if (!c || !is_wanted(c, t))
		return 0;
	introduce(t, 3);
	struct file *f = BPF_CORE_READ(program, file);
	struct scratch *s = begin(t, 3, RECORD_BPRM_CHECK, 0);
	if (!s)
		return 0;
	fill_file(s, f);
	emit(s, append_path(3, 0, f));
	return 0;
}
