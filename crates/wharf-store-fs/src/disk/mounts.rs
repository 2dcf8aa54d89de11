//! File systems on which `flock` locks against this host alone, or is a request to a server.

use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{FsWord, fstatfs};

/// Magic numbers of statfs(2).
const NFS: FsWord = 0x6969;
const SMB: FsWord = 0x517b;
const SMB2: FsWord = 0xfe53_4d42;
const CIFS: FsWord = 0xff53_4d42;
const FUSE: FsWord = 0x6573_5546;
const PLAN9: FsWord = 0x0102_1997;
const VBOX: FsWord = 0x786f_4256;
const OCFS2: FsWord = 0x7461_636f;
const LUSTRE: FsWord = 0x0bd0_0bd0;
const CEPH: FsWord = 0x00c3_6400;

/// What is known of a file system.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Kind {
    /// A lock is a request to a server.
    pub(super) remote: bool,
    /// Why a lock may exclude the processes of this host alone.
    pub(super) local_locks: Option<String>,
}

/// The kind of the file system that `root` is on. Asks the kernel, not the file system's server.
pub(super) fn kind_of(root: impl AsFd) -> Kind {
    // What cannot be found out shows when a lock is tried.
    let Ok(stat) = fstatfs(&root) else { return Kind::default() };
    let shared = [NFS, SMB, SMB2, CIFS, FUSE, PLAN9, VBOX, OCFS2, LUSTRE, CEPH];
    if !shared.contains(&stat.f_type) {
        return Kind::default();
    }
    let mount = mount_line(&root);
    match mount.as_deref().and_then(parse) {
        Some((kind, options)) => Kind { remote: true, local_locks: reason(kind, options) },
        None => Kind { remote: true, local_locks: Some("its mount options cannot be read".to_owned()) },
    }
}

/// The line of the kernel's list of mounts that is about the file system of `root`.
fn mount_line(root: impl AsFd) -> Option<String> {
    let descriptor = root.as_fd().as_raw_fd();
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).ok()?;
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find(|line| line.split(' ').next() == Some(id)).map(str::to_owned)
}

/// The type and the file system's own options in a line of `/proc/self/mountinfo`.
fn parse(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(" - ")?;
    let mut words = rest.split(' ');
    Some((words.next()?, words.nth(1)?))
}

/// Why locks on such a file system may exclude this host alone.
fn reason(kind: &str, options: &str) -> Option<String> {
    let has = |wanted: &[&str]| options.split(',').find(|option| wanted.contains(option)).map(str::to_owned);
    match kind {
        "nfs" | "nfs4" => has(&["nolock", "local_lock=all", "local_lock=flock"]),
        "cifs" | "smb3" | "smbfs" => has(&["nobrl"]),
        "ocfs2" => has(&["localflocks"]),
        "lustre" => has(&["localflock", "noflock"]),
        "ceph" | "fuseblk" | "fuse.fuse-overlayfs" => None,
        other => Some(format!("the file system is {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_whose_locks_stay_on_this_host_are_found() {
        let line = |rest: &str| format!("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - {rest}");
        for (rest, expected) in [
            ("nfs4 server:/srv rw,vers=4.2,hard,local_lock=none,addr=192.0.2.1", None),
            ("nfs server:/srv rw,vers=3,hard,nolock,local_lock=all", Some("nolock")),
            ("nfs server:/srv rw,vers=3,local_lock=flock", Some("local_lock=flock")),
            ("nfs server:/srv rw,vers=3,local_lock=posix", None),
            ("cifs //server/share rw,vers=3.1.1", None),
            ("cifs //server/share rw,nobrl", Some("nobrl")),
            ("fuse.sshfs host:/srv rw,user_id=0", Some("the file system is fuse.sshfs")),
            ("fuseblk /dev/sdb1 rw,allow_other", None),
            ("virtiofs share rw", Some("the file system is virtiofs")),
            ("9p hostshare rw,trans=virtio", Some("the file system is 9p")),
            ("lustre mgs@tcp:/fs rw,flock,lazystatfs", None),
            ("lustre mgs@tcp:/fs rw,localflock", Some("localflock")),
            ("ceph 192.0.2.1:/ rw,name=admin", None),
        ] {
            let line = line(rest);
            let (kind, options) = parse(&line).unwrap();
            assert_eq!(reason(kind, options).as_deref(), expected, "{rest}");
        }
    }

    #[test]
    fn the_line_of_a_mount_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let root = std::fs::File::open(directory.path()).unwrap();
        let line = mount_line(&root).unwrap();
        assert!(parse(&line).is_some(), "{line}");
        assert_eq!(kind_of(&root), Kind::default(), "the tests run on a disk of this machine");
    }
}
