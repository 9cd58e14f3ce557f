//! The least that a scrape of host metrics can cost: the same files are read over kept descriptors, nothing is parsed, and a stored page of the same
//! size is sent.
//!
//! It runs as a process of its own, `bench floor FOLDER`, so that the kernel counts it as it counts the programs beside it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use e2e::ports::Port;
use e2e::process::Launch;
use e2e::wait::until;

use crate::exporter::{Peer, TIMEOUT};
use crate::scrapes::Scraper;

/// Bytes. An answer that is shorter was the last: the kernel gives as many lines as fit into its page. To ask again would find nothing more, and
/// the exporter does not either.
const SHORT: usize = 2048;

/// The files in its folder: where it listens, the files it reads, and the page, plain and gzipped.
const ADDRESS: &str = "address";
const FILES: &str = "files";
const PLAIN: &str = "plain";
const GZIP: &str = "gzip";

/// One that reads the files which this exporter keeps open below these folders, and answers with its page.
pub(crate) async fn beside(ours: &Peer, roots: &[PathBuf], folder: &Path) -> Result<Peer> {
    let folder = folder.join("floor");
    fs::create_dir_all(&folder)?;
    let port = Port::free()?;
    fs::write(folder.join(ADDRESS), port.address().to_string())?;
    fs::write(folder.join(FILES), kept_files(ours.process.pid(), roots)?.join("\n"))?;
    for (name, with_gzip) in [(PLAIN, false), (GZIP, true)] {
        let mut scraper = Scraper::connect(ours.port.address(), with_gzip)?;
        scraper.scrape()?;
        fs::write(folder.join(name), scraper.body())?;
    }
    let program = std::env::current_exe().context("failed to find this program")?;
    let process = Launch::new("floor", &program).arg("floor").arg(&folder).start(&folder)?;
    let peer = Peer { process, port };
    until("the floor to listen", TIMEOUT, async || Scraper::connect(peer.port.address(), false).ok()).await?;
    Ok(peer)
}

/// The files below some folders that a process has open.
fn kept_files(pid: u32, roots: &[PathBuf]) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        // A descriptor may be closed meanwhile.
        let Ok(file) = fs::read_link(entry?.path()) else { continue };
        if roots.iter().any(|root| file.starts_with(root)) {
            files.push(file.display().to_string());
        }
    }
    files.sort();
    Ok(files)
}

/// Runs until it is killed.
pub(crate) fn serve(folder: &Path) -> Result<()> {
    let text = |name| fs::read_to_string(folder.join(name)).with_context(|| format!("failed to read {name}"));
    let address: SocketAddr = text(ADDRESS)?.parse()?;
    let files = text(FILES)?;
    let files = files.lines().map(|file| File::open(file).with_context(|| format!("failed to open {file}")));
    let mut floor = Floor {
        files: files.collect::<Result<_>>()?,
        plain: answer(&fs::read(folder.join(PLAIN))?, ""),
        gzip: answer(&fs::read(folder.join(GZIP))?, "Content-Encoding: gzip\r\n"),
        buffer: vec![0; 64 * 1024],
    };
    let listener = TcpListener::bind(address)?;
    for connection in listener.incoming() {
        // Who goes away is followed by the next.
        let _ = floor.answer_all(connection?);
    }
    Ok(())
}

fn answer(page: &[u8], encoding: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{encoding}Content-Length: {}\r\n\r\n",
        page.len()
    );
    [head.as_bytes(), page].concat()
}

struct Floor {
    files: Vec<File>,
    plain: Vec<u8>,
    gzip: Vec<u8>,
    buffer: Vec<u8>,
}

impl Floor {
    fn answer_all(&mut self, mut connection: TcpStream) -> Result<()> {
        connection.set_nodelay(true)?;
        let mut request = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let read = connection.read(&mut chunk)?;
            if read == 0 {
                return Ok(());
            }
            request.extend_from_slice(&chunk[..read]);
            if !request.ends_with(b"\r\n\r\n") {
                continue;
            }
            self.read_all();
            let with_gzip = request.windows(4).any(|word| word == b"gzip");
            connection.write_all(if with_gzip { &self.gzip } else { &self.plain })?;
            request.clear();
        }
    }

    fn read_all(&mut self) {
        for file in &self.files {
            let mut at = 0;
            // An attribute may refuse to answer, as it does for the exporter.
            while let Ok(read @ 1..) = file.read_at(&mut self.buffer, at) {
                at += read as u64;
                if read < SHORT {
                    break;
                }
            }
        }
    }
}
