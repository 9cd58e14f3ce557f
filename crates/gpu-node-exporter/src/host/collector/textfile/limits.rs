//! How much text files may bring: anybody who may write into their directory decides what is in them, and a page that grows
//! without end is one that no server takes.

/// The bounds. What goes beyond one is left out, told in the log by its name, and `node_textfile_scrape_error` is 1.
pub(in crate::host) struct Limits {
    /// Files that are read at one scrape.
    pub(super) files: usize,
    /// Bytes of one file.
    pub(super) file_bytes: u64,
    /// Bytes of all files together.
    pub(super) all_bytes: u64,
    /// Samples of all files together.
    pub(super) samples: usize,
    /// Labels of one sample.
    pub(super) labels: usize,
    /// Different label names in one family: each of its samples is shown with all of them.
    pub(super) label_names: usize,
    /// Bytes that their families take on the page.
    pub(super) page_bytes: usize,
}

impl Limits {
    /// Far above what scripts write, and below what would show in a scrape.
    pub(in crate::host) const DEFAULT: Self = Self {
        files: 1_000,
        file_bytes: 4 * 1024 * 1024,
        all_bytes: 16 * 1024 * 1024,
        samples: 100_000,
        labels: 64,
        label_names: 64,
        page_bytes: 16 * 1024 * 1024,
    };
}
