//! What a model will take, and what the system has left of it.

use crate::Error;
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{CacheType, Footprint};
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// An estimate of the memory that a model and its sessions take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Bytes of the weights.
    pub weights: u64,
    /// Bytes of one session: keys and values, and buffers.
    pub session: u64,
    /// How many sessions.
    pub sessions: usize,
    /// Bytes that this process may still take; `None` where the system does
    /// not say.
    pub available: Option<u64>,
}

impl MemoryPlan {
    /// Bytes in all.
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.session.saturating_mul(self.sessions as u64))
    }

    /// Whether all that fits.
    ///
    /// # Errors
    /// [`Error::InsufficientMemory`].
    pub fn check(&self) -> Result<(), Error> {
        let advice = "use fewer sessions, a shorter context, a cache of q8_0 or a smaller model";
        require(self.total(), self.available, advice)
    }
}

/// Estimates what the model of a file and some sessions of `context` tokens
/// each will take. It reads the header alone.
///
/// ```no_run
/// let plan = smallmind_engine::plan("model.gguf", 4096, 8)?;
/// println!("{} bytes, {:?} of them available", plan.total(), plan.available);
/// plan.check()?;
/// # Ok::<(), smallmind_engine::Error>(())
/// ```
///
/// # Errors
/// [`Error::Runtime`] where the file is none of a model.
pub fn plan(model: impl AsRef<Path>, context: usize, sessions: usize) -> Result<MemoryPlan, Error> {
    let footprint = Footprint::of(&ModelFile::open(model.as_ref())?)?;
    Ok(MemoryPlan {
        weights: footprint.weights(),
        session: footprint.context(context, CacheType::default()),
        sessions,
        available: available(),
    })
}

/// Refuses a model whose weights do not fit.
pub(crate) fn require_weights(file: &ModelFile) -> Result<(), Error> {
    let advice = "close other programs, or use a smaller model or one of fewer bits";
    require(Footprint::of(file)?.weights(), available(), advice)
}

/// Refuses a session whose keys and values do not fit.
pub(crate) fn require_context(bytes: u64) -> Result<(), Error> {
    require(bytes, available(), "use a shorter context or a cache of q8_0, or close sessions")
}

fn require(needed: u64, available: Option<u64>, advice: &'static str) -> Result<(), Error> {
    match available.filter(|available| needed > *available) {
        None => Ok(()),
        Some(available) => Err(Error::InsufficientMemory { needed, available, advice }),
    }
}

/// Bytes that this process may still take before the system has to take
/// something from somebody: of the machine and of each control group.
fn available() -> Option<u64> {
    available_in(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
}

fn available_in(proc: &Path, groups: &Path) -> Option<u64> {
    let machine = read_to_string(proc.join("meminfo")).ok();
    let machine = machine.and_then(|text| Some(field(&text, "MemAvailable:")? * 1024));
    let own = read_to_string(proc.join("self/cgroup")).unwrap_or_default();
    let limits = own.lines().flat_map(|line| group_folders(line, groups));
    limits.filter_map(|(folder, files)| left(&folder, files)).chain(machine).min()
}

/// The files of a control group: its limit, its use, and what of that is cache.
type Files = [&'static str; 3];
const VERSION_1: Files = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"];
const VERSION_2: Files = ["memory.max", "memory.current", "inactive_file"];

/// The folders of the control groups that a line of `/proc/self/cgroup` names:
/// the group's and those of all around it.
fn group_folders(line: &str, groups: &Path) -> Vec<(PathBuf, Files)> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { return Vec::new() };
    let (root, files) = match controllers {
        "" => (groups.to_owned(), VERSION_2),
        names if names.split(',').any(|name| name == "memory") => {
            (groups.join("memory"), VERSION_1)
        }
        _ => return Vec::new(),
    };
    let inner = Path::new(path.trim_start_matches('/'));
    inner.ancestors().map(|folder| (root.join(folder), files)).collect()
}

/// What a control group may still take.
fn left(folder: &Path, [limit, usage, cache]: Files) -> Option<u64> {
    let number = |name: &str| read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let stat = read_to_string(folder.join("memory.stat")).unwrap_or_default();
    // Pages of files that nobody looked at lately are dropped first.
    let used = number(usage)?.saturating_sub(field(&stat, cache).unwrap_or(0));
    Some(number(limit)?.saturating_sub(used))
}

/// The number after a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};

    fn tree(cgroup: &str, files: &[(&str, &str)]) -> Option<u64> {
        let folder = tempfile::tempdir().unwrap();
        let (proc, groups) = (folder.path().join("proc"), folder.path().join("groups"));
        create_dir_all(proc.join("self")).unwrap();
        write(proc.join("meminfo"), "MemTotal: 900 kB\nMemAvailable:    500 kB\n").unwrap();
        write(proc.join("self/cgroup"), cgroup).unwrap();
        for (path, text) in files {
            create_dir_all(groups.join(path).parent().unwrap()).unwrap();
            write(groups.join(path), text).unwrap();
        }
        available_in(&proc, &groups)
    }

    #[test]
    fn the_tightest_limit_counts() {
        assert_eq!(tree("", &[]), Some(500 * 1024));
        let second = [
            ("a/memory.max", "100000\n"),
            ("a/memory.current", "70000\n"),
            ("a/memory.stat", "anon 5\ninactive_file 20000\n"),
            ("a/b/memory.max", "max\n"),
            ("a/b/memory.current", "60000\n"),
        ];
        assert_eq!(tree("0::/a/b\n", &second), Some(50_000));
        assert_eq!(tree("0::/c\n", &second), Some(500 * 1024));
        let first = [
            ("memory/memory.limit_in_bytes", "9223372036854771712"),
            ("memory/memory.usage_in_bytes", "4"),
            ("memory/x/memory.limit_in_bytes", "9000"),
            ("memory/x/memory.usage_in_bytes", "9500"),
            ("memory/x/memory.stat", "total_inactive_file 1000\n"),
        ];
        assert_eq!(tree("7:cpu:/y\n4:hugetlb,memory:/x\n", &first), Some(500));
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(available_in(folder.path(), folder.path()), None);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        let plan = MemoryPlan { weights: 50, session: 7, sessions: 3, available: Some(71) };
        plan.check().unwrap();
        MemoryPlan { available: None, ..plan }.check().unwrap();
        let error = MemoryPlan { available: Some(70), ..plan }.check().unwrap_err();
        let Error::InsufficientMemory { needed: 71, available: 70, .. } = error else {
            panic!("{error}")
        };
    }
}
