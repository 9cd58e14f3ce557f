//! Which engine is played: vLLM or `SGLang`, and which release of it.

use anyhow::{Context as _, Result};

use super::captured::{PAGES, names};

/// An engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// vLLM.
    Vllm,
    /// `SGLang`.
    Sglang,
}

/// A release that has a captured page.
#[derive(Clone, Copy, Debug)]
pub struct Release {
    /// Whose it is.
    pub kind: Kind,
    /// `vllm-0.33.0`.
    pub name: &'static str,
    /// Its captured page.
    pub(crate) page: &'static str,
}

impl Release {
    /// The release of this name.
    ///
    /// Errors list the names there are.
    pub fn named(name: &str) -> Result<Self> {
        let found = PAGES.iter().find(|(known, _)| *known == name);
        let (name, page) = found.with_context(|| {
            format!(
                "`{name}` is no release that can be played (there are {})",
                names().collect::<Vec<_>>().join(", ")
            )
        })?;
        let kind = if name.starts_with("vllm") { Kind::Vllm } else { Kind::Sglang };
        Ok(Self { kind, name, page })
    }

    /// The version alone: `0.33.0`.
    pub fn version(&self) -> &'static str {
        self.name.split_once('-').map_or(self.name, |(_, version)| version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_named_as_its_page_is() {
        let release = Release::named("sglang-0.5.10.post1").unwrap();
        assert_eq!((release.kind, release.version()), (Kind::Sglang, "0.5.10.post1"));
        let error = Release::named("vllm-1.0").unwrap_err().to_string();
        assert!(error.contains("vllm-0.33.0, ") && error.contains("`vllm-1.0`"), "{error}");
    }
}
