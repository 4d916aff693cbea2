//! Room for as many open files as connections are allowed.
//!
//! Many shells and service managers start programs with a soft limit of 1024 open files and a far
//! higher hard one; programs that serve many connections are expected to raise the first to what
//! they need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Files beside the connections: the store and its readers, listeners, the runtime, a backup.
const OTHER_FILES: u64 = 256;

/// Raises the soft limit of open files to what the connections need, as far as the hard one lets
/// us. Too little is a warning, not an end: connections then wait to be accepted.
pub(super) fn make_room(connections_max: usize) {
    let needed = u64::try_from(connections_max).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let limit = getrlimit(Resource::Nofile);
    let Some(wanted) = raised(limit, needed) else { return };
    let is_raised = setrlimit(Resource::Nofile, wanted).is_ok();
    let got = if is_raised { wanted.current } else { limit.current };
    if got.is_some_and(|got| got < needed) {
        warn!(
            open_files.limit = got,
            open_files.needed = needed,
            "Fewer files may be open than web.max_connections needs; raise the limit (ulimit -n)"
        );
    }
}

/// The limit to ask for; `None` when there is room already. No limit is `None` inside.
fn raised(limit: Rlimit, needed: u64) -> Option<Rlimit> {
    let current = limit.current.filter(|current| *current < needed)?;
    let reachable = limit.maximum.map_or(needed, |hard| needed.min(hard));
    Some(Rlimit { current: Some(reachable.max(current)), maximum: limit.maximum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_need_but_not_beyond_the_hard_one() {
        for (current, maximum, expect) in [
            (Some(1024), Some(524_288), Some(1256)),
            (Some(1024), None, Some(1256)),
            (Some(1024), Some(1100), Some(1100)),
            (Some(1024), Some(1024), Some(1024)),
            (Some(65_536), Some(65_536), None),
            (None, None, None),
        ] {
            let got = raised(Rlimit { current, maximum }, 1256).map(|limit| limit.current);
            assert_eq!(got, expect.map(Some), "{current:?} {maximum:?}");
        }
    }
}
