//! The captured pages of `tests/engines/`, in the program: it also runs where there is no checkout.

/// Each release with its page. Other states of a release (two engines, priorities) are not played.
pub(crate) const PAGES: [(&str, &str); 17] = [
    ("vllm-0.6.6", include_str!("../../engines/vllm-0.6.6.prom")),
    ("vllm-0.8.5", include_str!("../../engines/vllm-0.8.5.prom")),
    ("vllm-0.9.2", include_str!("../../engines/vllm-0.9.2.prom")),
    ("vllm-0.10.2", include_str!("../../engines/vllm-0.10.2.prom")),
    ("vllm-0.11.2", include_str!("../../engines/vllm-0.11.2.prom")),
    ("vllm-0.13.0", include_str!("../../engines/vllm-0.13.0.prom")),
    ("vllm-0.17.1", include_str!("../../engines/vllm-0.17.1.prom")),
    ("vllm-0.22.1", include_str!("../../engines/vllm-0.22.1.prom")),
    ("vllm-0.28.0", include_str!("../../engines/vllm-0.28.0.prom")),
    ("vllm-0.33.0", include_str!("../../engines/vllm-0.33.0.prom")),
    ("vllm-0.33.0-newer-fastapi", include_str!("../../engines/vllm-0.33.0-newer-fastapi.prom")),
    ("sglang-0.4.6.post5", include_str!("../../engines/sglang-0.4.6.post5.prom")),
    ("sglang-0.5.2", include_str!("../../engines/sglang-0.5.2.prom")),
    ("sglang-0.5.6.post2", include_str!("../../engines/sglang-0.5.6.post2.prom")),
    ("sglang-0.5.10.post1", include_str!("../../engines/sglang-0.5.10.post1.prom")),
    ("sglang-0.5.16", include_str!("../../engines/sglang-0.5.16.prom")),
    ("sglang-0.5.23", include_str!("../../engines/sglang-0.5.23.prom")),
];

/// The name of every release that can be played.
pub fn names() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(name, _)| *name)
}
