//! Writes that wait for the disk together.

use futures_util::future::try_join_all;
use wharf_store::{PutOutcome, Result};

use crate::FsStore;
use crate::disk::{Disk, Staged, Synced, Wave, Write};

impl FsStore {
    /// Writes one thing.
    pub(crate) async fn write(&self, write: Write) -> Result<PutOutcome> {
        let outcomes = self.write_all(vec![vec![write]]).await?;
        Ok(outcomes.into_iter().flatten().next().unwrap_or(PutOutcome::Refused))
    }

    /// Writes every group of `groups`. The bytes of all are brought to disk at once; then each group becomes visible and
    /// is brought to disk before the next.
    pub(crate) async fn write_all(&self, groups: Vec<Vec<Write>>) -> Result<Vec<Vec<PutOutcome>>> {
        let (groups, wave) = self.blocking(move |disk| stage(disk, groups)).await?;
        let synced = self.sync(wave).await?;
        let mut outcomes = Vec::with_capacity(groups.len());
        for group in groups {
            let (published, wave) = self.blocking(move |disk| publish(disk, group, synced)).await?;
            // Where a folder is gone by now, somebody has removed what was written, and synced that.
            self.sync(wave).await?;
            outcomes.push(published);
        }
        Ok(outcomes)
    }

    /// Syncs all of a wave at the same time.
    pub(crate) async fn sync(&self, wave: Wave) -> Result<Synced> {
        let (mut syncs, lasting) = wave.into_parts();
        syncs.retain(|sync| self.disk.cares_for(sync));
        let all = syncs.into_iter().map(|sync| self.blocking(move |disk| disk.sync(&sync)));
        if try_join_all(all).await?.contains(&Synced::Gone) {
            return Ok(Synced::Gone);
        }
        self.disk.remember_folders(&lasting);
        Ok(Synced::Done)
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
