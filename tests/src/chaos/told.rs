//! What a chat was told, read from its messages, and how that is judged against what is true (pure).

use std::collections::BTreeMap;

pub use crate::chaos::world::Truth;

/// One chat's messages, or one mailbox's.
#[derive(Debug)]
pub struct Chat {
    messages: Vec<Vec<Item>>,
}

/// What one message says of one alert.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    alert: String,
    episode: u32,
    word: Word,
    /// How often it says that the alert fired.
    times: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Fires,
    StillFires,
    IsOver,
}

/// What was wrong.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Lost, out of order or not counted, in words.
    pub faults: Vec<String>,
    /// Messages that told something again.
    pub duplicates: usize,
}

impl Chat {
    /// The texts in the order in which the chat got them.
    pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self { messages: texts.into_iter().map(items).collect() }
    }

    /// Holds it against how each alert stands in the end.
    pub fn judge(&self, truth: impl IntoIterator<Item = Truth>) -> Judgement {
        let mut judgement = Judgement::default();
        let mut told: BTreeMap<&str, (u32, bool)> = BTreeMap::new();
        let mut times: BTreeMap<&str, u32> = BTreeMap::new();
        for (number, message) in self.messages.iter().enumerate() {
            let mut is_again = false;
            for Item { alert, episode, word, times: said } in message {
                let now = (*episode, *word == Word::IsOver);
                let before = told.get(alert.as_str()).copied();
                if before.is_some_and(|before| now < before) {
                    judgement
                        .faults
                        .push(format!("message {number} says {now:?} of {alert}, told before: {before:?}"));
                    continue;
                }
                is_again |= before == Some(now) && *word != Word::StillFires;
                if before.is_none_or(|(known, _)| known < *episode) {
                    *times.entry(alert).or_default() += said;
                }
                told.insert(alert, now);
            }
            judgement.duplicates += usize::from(is_again);
        }
        for Truth { alert, episode, is_over, episodes } in truth {
            let is = (episode, is_over);
            match told.get(alert.as_str()) {
                Some(told) if *told == is => {}
                other => judgement.faults.push(format!("{alert} is {is:?}, last told: {other:?}")),
            }
            let said = times.get(alert.as_str()).copied().unwrap_or(0);
            if said < episodes {
                judgement.faults.push(format!("{alert} fired {episodes} times, told {said} of them"));
            }
        }
        judgement
    }
}

/// A message is paragraphs, and each speaks of one alert.
fn items(text: &str) -> Vec<Item> {
    let mut paragraphs: Vec<String> = vec![String::new()];
    for line in text.lines() {
        if line.trim().is_empty() {
            paragraphs.push(String::new());
        } else if let Some(paragraph) = paragraphs.last_mut() {
            paragraph.push_str(line);
            paragraph.push('\n');
        }
    }
    paragraphs.iter().filter_map(|paragraph| item(paragraph)).collect()
}

fn item(paragraph: &str) -> Option<Item> {
    let name = &paragraph[paragraph.find("epW")?..];
    let name = &name[..name.find('x')?];
    let (alert, episode) = name.rsplit_once('E')?;
    let says = |word: &str| paragraph.contains(word);
    let word = if says("Resolved") || says("resolved after") || says("o longer reported") {
        Word::IsOver
    } else if says("till firing") {
        Word::StillFires
    } else {
        Word::Fires
    };
    let times = paragraph.split("fired ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    Some(Item { alert: alert.to_owned(), episode: episode.parse().ok()?, word, times: times.unwrap_or(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(episode: u32, is_over: bool, episodes: u32) -> Truth {
        Truth { alert: "epW0G1A2".to_owned(), episode, is_over, episodes }
    }

    fn check(texts: &[&str], truth: Truth, faults: &[&str], duplicates: usize) {
        let judgement = Chat::read(texts.iter().copied()).judge([truth]);
        assert_eq!(judgement.faults.len(), faults.len(), "{texts:?}: {:?}", judgement.faults);
        for (said, expected) in judgement.faults.iter().zip(faults) {
            assert!(said.contains(expected), "{said}");
        }
        assert_eq!(judgement.duplicates, duplicates, "{texts:?}");
    }

    const FIRES: &str = "#### title\n\n🟠 **Firing** · warning\n**epW0G1A2E1x**\nSince 12:00";
    const STILL: &str = "🟠 still firing for 3s · epW0G1A2E1x";
    const OVER: &str = "✅ **Resolved** node2\nWas: epW0G1A2E1x\n12:00 – 12:01";

    #[test]
    fn what_was_told_is_held_against_what_is_true() {
        check(&[FIRES, OVER], truth(1, true, 1), &[], 0);
        check(&[FIRES, STILL, OVER], truth(1, true, 1), &[], 0);
        check(&[OVER], truth(1, true, 1), &[], 0);
        check(&[FIRES], truth(1, true, 1), &["is (1, true), last told: Some((1, false))"], 0);
        check(&[], truth(1, false, 1), &["last told: None", "told 0 of them"], 0);
        check(&[FIRES, FIRES, OVER], truth(1, true, 1), &[], 1);
        check(&[OVER, FIRES], truth(1, true, 1), &["message 1 says (1, false)"], 0);
    }

    #[test]
    fn episodes_are_counted_or_lost() {
        let third = "✅ resolved after 3s, fired 3 times since 12:00 · epW0G1A2E3x";
        check(&[third], truth(3, true, 3), &[], 0);
        check(&[FIRES, "✅ **Resolved**\nWas: epW0G1A2E3x"], truth(3, true, 3), &["told 2 of them"], 0);
    }
}
