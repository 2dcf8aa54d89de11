//! Writes that wait for the disk together.

use std::sync::Arc;

use wharf_store::{PutOutcome, Result};

use crate::disk::{Disk, Staged, Synced, Wave, Write};
use crate::{FsStore, blocking};

impl FsStore {
    /// Writes one thing.
    pub(crate) async fn write(&self, write: Write) -> Result<PutOutcome> {
        let outcomes = self.write_all(vec![vec![write]]).await?;
        Ok(outcomes.into_iter().flatten().next().unwrap_or(PutOutcome::Refused))
    }

    /// Writes every group of `groups`. The bytes of all are brought to disk at once; then each group becomes visible and
    /// is brought to disk before the next.
    ///
    /// One trip to the blocking pool for all of it: what goes between two threads costs more than most of the steps.
    pub(crate) async fn write_all(&self, groups: Vec<Vec<Write>>) -> Result<Vec<Vec<PutOutcome>>> {
        let disk = Arc::clone(&self.disk);
        blocking(move || {
            let (groups, wave) = stage(&disk, groups)?;
            let mut groups = Some(groups);
            // Where it fails the temporary files go, so that what is written again is written to new ones.
            let synced = disk.sync_or_undo(wave, || groups = None)?;
            let groups = groups.unwrap_or_default();
            let mut outcomes = Vec::with_capacity(groups.len());
            for group in groups {
                let (published, wave) = publish(&disk, group, synced)?;
                // Where a folder is gone by now, somebody has removed what was written, and synced that.
                disk.sync_together(wave)?;
                outcomes.push(published);
            }
            Ok(outcomes)
        })
        .await
    }
}

fn stage(disk: &Disk, groups: Vec<Vec<Write>>) -> Result<(Vec<Vec<Staged>>, Wave)> {
    let mut wave = Wave::default();
    let mut stage = |group: Vec<Write>| -> Result<Vec<Staged>> {
        group.into_iter().map(|write| disk.stage(write, &mut wave)).collect()
    };
    let staged: Result<Vec<_>> = groups.into_iter().map(&mut stage).collect();
    Ok((staged?, wave))
}

/// Makes a group visible. If a folder was found gone when its bytes were synced, each write begins again.
fn publish(disk: &Disk, group: Vec<Staged>, synced: Synced) -> Result<(Vec<PutOutcome>, Wave)> {
    let mut wave = Wave::default();
    let publish = |staged: Staged| match synced {
        Synced::Done => disk.publish_staged(staged, &mut wave),
        Synced::Gone => disk.write(staged.into_write()),
    };
    let outcomes: Result<Vec<_>> = group.into_iter().map(publish).collect();
    Ok((outcomes?, wave))
}
