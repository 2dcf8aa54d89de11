//! What the registry stands on: a folder, or a disk whose power can be cut.

#![expect(clippy::disallowed_methods, reason = "what is on the disk is looked at behind the registry's back")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use wharf_testkit::process::{run, run_until_success};

/// A folder on the machine's own disk.
pub(crate) struct Folder(TempDir);

/// ext4 on a loop device.
pub(crate) struct LoopDisk {
    folder: TempDir,
    mounted: bool,
}

/// A file that leaves no room for another.
pub(crate) struct Filler(PathBuf);

/// The size of the image; it is sparse.
const IMAGE_BYTES: &str = "2G";

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: from now on nothing reaches the disk, not even the journal.
const CUT: &str = r#"open(my $fs, "<", $ARGV[0]) or die "open: $!";
my $flags = pack("L", 2);
ioctl($fs, 0x8004587d, $flags) or die "ioctl: $!";"#;

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }
}

impl LoopDisk {
    pub(crate) fn new() -> Self {
        Self::of_size(IMAGE_BYTES)
    }

    /// A disk of a size as `truncate` takes it.
    pub(crate) fn of_size(size: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let image = folder.path().join("image");
        run(Command::new("truncate").args(["-s", size]).arg(&image));
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image));
        std::fs::create_dir(folder.path().join("disk")).expect("a place to mount it");
        let mut disk = Self { folder, mounted: false };
        disk.mount();
        disk
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.place().join("registry")
    }

    pub(crate) fn cut_power(&self) {
        run(Command::new("perl").args(["-e", CUT]).arg(self.place()));
    }

    /// Only for a disk that nobody uses any more.
    pub(crate) fn restore_power(&mut self) {
        run_until_success(Command::new("umount").arg(self.place()));
        self.mounted = false;
        self.mount();
    }

    /// From now on nothing can be written to it.
    pub(crate) fn make_read_only(&self) {
        run(Command::new("mount").args(["-o", "remount,ro"]).arg(self.place()));
    }

    /// Takes all the room there is, for as long as what this gives is kept.
    pub(crate) fn fill(&self) -> Filler {
        let path = self.place().join("filler");
        let mut file = std::fs::File::create(&path).expect("a file");
        // Down to the last block: what is left after large pieces is enough for small files.
        for piece in [1 << 20, 4096, 1] {
            while file.write_all(&vec![1; piece]).and_then(|()| file.sync_data()).is_ok() {}
        }
        Filler(path)
    }

    fn mount(&mut self) {
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(self.folder.path().join("image"))
            .arg(self.place()));
        self.mounted = true;
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("disk")
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).expect("it is there");
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a server that a failing test has left may still be there for a moment.
            let _ = Command::new("umount").arg("--lazy").arg(self.place()).status();
        }
    }
}

/// ext4 without a journal on a loop device that is larger than the memory behind it: writes beyond that fail when they are
/// synced, and a second sync of the same pages reports success.
pub(crate) struct OvercommittedDisk {
    folder: TempDir,
}

impl OvercommittedDisk {
    /// The size of the disk as it presents itself.
    const APPARENT: &str = "200M";

    /// What it can hold.
    const ACTUAL: &str = "24M";

    pub(crate) fn new() -> Self {
        let disk = Self { folder: tempfile::tempdir().expect("a folder") };
        for place in [disk.memory(), disk.place()] {
            std::fs::create_dir(place).expect("a mount point");
        }
        let options = format!("size={}", Self::ACTUAL);
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(disk.memory()));
        run(Command::new("truncate").args(["-s", Self::APPARENT]).arg(disk.image()));
        // What the file system keeps of its own has its room from the beginning, so that only files can fail.
        let options = ["-b", "4096", "-N", "1024", "-O", "^has_journal,^flex_bg,^uninit_bg,^metadata_csum"];
        let mut mkfs = Command::new("mkfs.ext4");
        run(mkfs.args(["-q", "-F", "-E", "lazy_itable_init=0,nodiscard"]).args(options).arg(disk.image()));
        disk.mount();
        disk
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.place().join("registry")
    }

    /// From now on writes succeed again.
    pub(crate) fn grow(&self) {
        run(Command::new("mount").args(["-o", "remount,size=400M"]).arg(self.memory()));
    }

    /// Forgets everything that is in memory and not on the disk. Only for a disk that no process uses any more.
    pub(crate) fn remount(&self) {
        run_until_success(Command::new("umount").arg(self.place()));
        self.mount();
    }

    fn mount(&self) {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.place()));
    }

    fn memory(&self) -> PathBuf {
        self.folder.path().join("memory")
    }

    fn image(&self) -> PathBuf {
        self.memory().join("image")
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("disk")
    }
}

impl Drop for OvercommittedDisk {
    fn drop(&mut self) {
        for place in [self.place(), self.memory()] {
            let _ = Command::new("umount").arg("--lazy").arg(place).status();
        }
    }
}

/// A file system of another kind, for as long as this lives.
pub(crate) struct Mounted {
    folder: TempDir,
}

impl Mounted {
    pub(crate) fn tmpfs() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("mounted")).expect("a place to mount it");
        run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(folder.path().join("mounted")));
        Self { folder }
    }

    /// On a disk of its own: one overlay cannot be laid upon another, and this machine may stand on one.
    pub(crate) fn overlay(disk: &LoopDisk) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = |name: &str| disk.place().join(name);
        for name in ["lower", "upper", "work"] {
            std::fs::create_dir(place(name)).expect("a layer");
        }
        std::fs::create_dir(folder.path().join("mounted")).expect("a place to mount it");
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            place("lower").display(),
            place("upper").display(),
            place("work").display()
        );
        let mut command = Command::new("mount");
        run(command.args(["-t", "overlay", "overlay", "-o", &layers]).arg(folder.path().join("mounted")));
        Self { folder }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("mounted/registry")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path().join("mounted")).status();
    }
}

/// Waits until everything written so far is on its disk.
pub(crate) fn sync() {
    run(&mut Command::new("sync"));
}
