//! Files of sysfs that hold one number each, with what each number means.
//!
//! Owns reading them all, and which failures are the hardware's own. A collector adds the files once, when it looks which
//! hardware there is; a file that is not there then is not asked for at each reading. Leaves out when the hardware is looked at
//! again, which is `inventory.rs`'s.

use std::collections::HashMap;
use std::path::PathBuf;

use super::kept_file::{Buffer, KeptFile};
use super::meaning::{Meaning, Scale};
use crate::collector::Fault;
use crate::family::{Family, Labels, Number};

/// The files, and the families they become.
#[derive(Debug, Default)]
pub(crate) struct NumberFiles {
    meanings: Vec<Meaning>,
    /// The place of each family in `meanings`.
    places: HashMap<String, usize>,
    files: Vec<NumberFile>,
    /// How many more there are than are read.
    left_out: usize,
}

/// So many files are read. A port of InfiniBand has some sixty, and each virtual function of an adapter can have a port.
const MOST_FILES: usize = 32_768;

#[derive(Debug)]
struct NumberFile {
    file: KeptFile,
    /// The family, by its place.
    place: usize,
    scale: Scale,
    labels: Labels,
}

impl NumberFiles {
    /// A file that is read from now on, if it is there.
    pub(crate) fn add(&mut self, path: PathBuf, meaning: &Meaning, labels: &Labels) {
        if !path.is_file() {
            return;
        }
        if self.files.len() == MOST_FILES {
            self.left_out += 1;
            return;
        }
        let place = self.places.get(meaning.family.as_ref()).copied().unwrap_or_else(|| {
            self.places.insert(meaning.family.to_string(), self.meanings.len());
            self.meanings.push(meaning.clone());
            self.meanings.len() - 1
        });
        let (scale, labels) = (meaning.scale, labels.clone());
        self.files.push(NumberFile { file: KeptFile::attribute(path), place, scale, labels });
    }

    /// All numbers as they are now. A file that has none is absent; one that holds something else is a fault and costs nothing else.
    pub(crate) fn read(&mut self, buffer: &mut Buffer) -> (Vec<Family>, Vec<Fault>) {
        let mut families: Vec<Family> = self.meanings.iter().map(Meaning::empty).collect();
        let mut faults = Vec::new();
        for NumberFile { file, place, scale, labels } in &mut self.files {
            match number(file, buffer) {
                Ok(Some(number)) => families[*place].push(labels.clone(), scale.of(number)),
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        if self.left_out > 0 {
            let (more, like) = (self.left_out, self.files.last().map_or("", |file| file.labels.text()));
            faults.push(Fault::new(format!(
                "{more} files of sysfs are not read, beyond the {MOST_FILES} up to {{{like}}}"
            )));
        }
        (families, faults)
    }
}

/// The number in a file of the hardware's; `None` where the hardware has none.
pub(crate) fn number(file: &mut KeptFile, buffer: &mut Buffer) -> Result<Option<Number>, Fault> {
    let Some(text) = text(file, buffer)? else { return Ok(None) };
    // Drivers of InfiniBand write `N/A (no PMA)` for what the port does not count, and some sensors nothing.
    if text.is_empty() || text.starts_with("N/A") {
        return Ok(None);
    }
    file.number_in(&text).map(Some)
}

/// The text in a file of the hardware's; `None` where the hardware has none.
pub(crate) fn text(file: &mut KeptFile, buffer: &mut Buffer) -> Result<Option<String>, Fault> {
    match file.read(buffer) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.is_of_hardware() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    #[test]
    fn what_is_not_there_is_left_out_and_an_odd_text_costs_itself() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for (name, text) in
            [("a", "1\n"), ("b", "up\n"), ("c", "N/A (no PMA)\n"), ("d", "7\n"), ("e", "5\n"), ("f", "\n")]
        {
            std::fs::write(path(name), text).unwrap();
        }
        std::fs::create_dir(path("power")).unwrap();
        let celsius = Meaning::gauge("x_celsius", "X.").scaled(Scale::Parts(1e3));
        let total = Meaning::counter("x_total", "X.");
        let mut files = NumberFiles::default();
        for name in ["a", "b", "c", "absent", "power", "e", "f"] {
            files.add(path(name), &celsius, &Labels::new([("file", name)]));
        }
        files.add(path("d"), &total, &Labels::NONE);
        // It goes away after it was found.
        std::fs::remove_file(path("e")).unwrap();
        let (families, faults) = files.read(&mut Buffer::default());
        assert_eq!(values(&families), [r#"x_celsius{file="a"} 0.001"#, "x_total 7"]);
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, [format!("{}: expected a number, found `up`", path("b").display())]);
    }

    #[test]
    fn more_files_than_are_read_are_counted() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        std::fs::write(&path, "1\n").unwrap();
        let mut files = NumberFiles::default();
        for number in 0..MOST_FILES + 3 {
            files.add(
                path.clone(),
                &Meaning::gauge("x", "X."),
                &Labels::new([("number", number.to_string())]),
            );
        }
        let (families, faults) = files.read(&mut Buffer::default());
        assert_eq!(families[0].samples.len(), MOST_FILES);
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, [r#"3 files of sysfs are not read, beyond the 32768 up to {number="32767"}"#]);
    }
}
