//! How the kernel gives the text of a file, and by what its last answer is known.

/// How long a file's text can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// Read until nothing more comes.
    Any,
    /// Lines of this many bytes at most, of which the kernel gives as many at a time as fit into its page: an answer with room for one more
    /// was the last. To ask again costs as much as the kernel takes to find that there is nothing more, which of sockets is a look at all
    /// of its table.
    Lines(usize),
    /// The kernel gives it as one text (`single_open`, or a setting): an answer shorter than asked for is all of it.
    Text,
    /// One page at most, all of it in the first answer: an attribute of sysfs.
    Attribute,
}

/// The smallest page of a machine that Linux runs on.
const PAGE: usize = 4096;

impl Length {
    /// Whether an answer of so many bytes, into so much room, was the last.
    pub(super) fn is_all(self, count: usize, room: usize) -> bool {
        match self {
            Self::Any => false,
            Self::Lines(longest) => count + longest <= room.min(PAGE),
            Self::Text | Self::Attribute => count < room,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_is_known_by_its_length() {
        let check = |length: Length, count, room, is_all| {
            assert_eq!(length.is_all(count, room), is_all, "{length:?}, {count} of {room}");
        };
        check(Length::Any, 1, 4096, false);
        check(Length::Text, 4095, 4096, true);
        check(Length::Text, 4096, 4096, false);
        check(Length::Lines(128), 3968, 4096, true);
        check(Length::Lines(128), 3969, 4096, false);
        // There was more room than the kernel fills at once.
        check(Length::Lines(128), 4000, 8192, false);
        check(Length::Lines(128), 100, 200, false);
    }
}
