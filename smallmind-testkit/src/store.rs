//! Where the real models are.

use std::path::PathBuf;

/// The file of a model of the catalogue that tests need.
///
/// # Panics
/// Where it is not there: a test that needs it must not pass without it.
pub fn model_path(name: &str) -> PathBuf {
    let home = std::env::var_os("SMALLMIND_HOME").map(PathBuf::from);
    let home = home.or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
        cache.map(|c| c.join("smallmind"))
    });
    let folder = home.unwrap_or_default().join("models").join(name);
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|f| f.path());
    let mut models = files.filter(|f| f.extension().is_some_and(|e| e == "gguf"));
    models
        .next()
        .unwrap_or_else(|| panic!("{name} is not in {}: run cargo xtask models", folder.display()))
}
