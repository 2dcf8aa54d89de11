//! Volumes that should be mounted and are not: what `/etc/fstab` names beside what the kernel has.

use std::path::{Path, PathBuf};

/// The mount point of `path` that is in `/etc/fstab` and not mounted, if there is one. Without these files, as on other
/// systems and in most containers, there is none.
pub(super) fn missing(path: &Path) -> Option<String> {
    missing_in(path, &read("/etc/fstab")?, &read("/proc/self/mounts")?)
}

#[expect(clippy::disallowed_methods, reason = "files of the system, read once at the start")]
fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn missing_in(path: &Path, wanted: &str, mounted: &str) -> Option<String> {
    let mounted: Vec<PathBuf> = mount_points(mounted).collect();
    let nearest = mount_points(wanted).filter(|point| point.is_absolute() && path.starts_with(point));
    let nearest = nearest.max_by_key(|point| point.components().count())?;
    (!mounted.contains(&nearest)).then(|| nearest.display().to_string())
}

/// The second fields of the lines of both files, which have the same form.
fn mount_points(table: &str) -> impl Iterator<Item = PathBuf> {
    let lines = table.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(PathBuf::from(unescaped(line.split_whitespace().nth(1)?))))
}

/// Blanks in a path are written in octal.
fn unescaped(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FSTAB: &str = "# <file system> <mount point>\nUUID=1 / ext4 defaults 0 1\nUUID=2 none swap sw 0 0\n\
        nas:/images /srv/images nfs defaults 0 0\n/dev/sdb1 /mnt/my\\040disk xfs noauto 0 0\n";

    #[test]
    fn a_volume_of_fstab_that_is_not_mounted_is_found() {
        let root_only = "/dev/sda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\n";
        let with_images = "/dev/sda1 / ext4 rw 0 0\nnas:/images /srv/images nfs4 rw 0 0\n";
        for (path, mounted, expected) in [
            ("/srv/images/registry", root_only, Some("/srv/images")),
            ("/srv/images", root_only, Some("/srv/images")),
            ("/srv/images/registry", with_images, None),
            ("/srv/images-2/registry", root_only, None),
            ("/var/lib/registry", root_only, None),
            ("/mnt/my disk/registry", root_only, Some("/mnt/my disk")),
        ] {
            assert_eq!(missing_in(Path::new(path), FSTAB, mounted).as_deref(), expected, "{path}");
        }
        assert_eq!(missing_in(Path::new("/srv/images"), "", root_only), None);
    }
}
