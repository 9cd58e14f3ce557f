use std::{collections::BTreeMap, path::Path, sync::mpsc};

use settings_document::{Document, Reading};
use tokio::task::yield_now;

use super::*;

fn with_hashes(hashes: &[(&str, &str)]) -> Users {
    let users: Vec<_> = hashes.iter().map(|(name, hash)| format!("{name}: '{hash}'")).collect();
    let document = Document::parse(&format!("basic_auth_users: {{{}}}", users.join(", ")), |_| true);
    let reading = Reading::new(Path::new("web.yml"), document.lines, document.mistakes, BTreeMap::new());
    let users = Users::read(&mut Section::root(&reading, &document.values)).unwrap();
    assert_eq!(reading.into_problems(), []);
    users
}

fn hash(cost: u32) -> String {
    bcrypt::hash("right", cost).unwrap()
}

fn header(credentials: &str) -> HeaderMap {
    let encoded = STANDARD.encode(credentials);
    HeaderMap::from_iter([(AUTHORIZATION, format!("Basic {encoded}").parse().unwrap())])
}

fn peer(number: u8) -> Peer {
    Peer::at([192, 0, 2, number].into())
}

#[tokio::test]
async fn only_a_name_with_its_password_comes_in() {
    let users = with_hashes(&[("alice", &hash(4))]);
    // Twice: the second time from memory.
    for _ in 0..2 {
        assert_eq!(users.admit(&header("alice:right"), peer(1)).await, Ok(()));
        for wrong in ["alice:wrong", "alice:", "bob:right", "alice", ":right", "alice:right:more", ""] {
            assert_eq!(users.admit(&header(wrong), peer(1)).await, Err(Denied::Unauthorized), "{wrong}");
        }
        assert_eq!(users.admit(&HeaderMap::new(), peer(1)).await, Err(Denied::Unauthorized));
    }
    let other = |value: &str| HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
    for garbage in ["Bearer abc", "Basic", "Basic !!!!", "Basic /w=="] {
        assert_eq!(users.admit(&other(garbage), peer(1)).await, Err(Denied::Unauthorized), "{garbage}");
    }
}

#[tokio::test]
async fn every_answer_costs_the_same_whatever_the_name_and_its_hash() {
    let mut users = with_hashes(&[("alice", &hash(4)), ("bob", &hash(7))]);
    let (spent, costs) = mpsc::channel();
    users.compare = Arc::new(move |password, hash| {
        // A hash that is not well formed is refused before anything is calculated.
        let equal = bcrypt::verify(password, hash).unwrap();
        spent.send(1_u32 << HashParts::from_str(hash).unwrap().get_cost()).unwrap();
        equal
    });
    for credentials in
        ["alice:wrong", "bob:wrong", "nobody:wrong", "alice:right", "bob:right", "nobody:right"]
    {
        let _ = users.admit(&header(credentials), peer(1)).await;
        assert_eq!(costs.try_iter().sum::<u32>(), 1 << 7, "{credentials}");
    }
}

/// A comparison that says which password it has, and waits for the test.
fn stepwise(users: &mut Users) -> (mpsc::Receiver<String>, mpsc::Sender<()>) {
    let (said, compared) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    users.compare = Arc::new(move |password, _hash| {
        // Once the test is over, nobody hears or opens the gate.
        let _ = said.send(String::from_utf8_lossy(password).into_owned());
        gate.lock().unwrap().recv().is_ok() && password == b"right"
    });
    (compared, go)
}

#[tokio::test]
async fn a_flood_of_guesses_locks_no_right_password_out() {
    let mut users = with_hashes(&[("alice", &hash(4))]);
    let (compared, go) = stepwise(&mut users);
    let users = Arc::new(users);
    let ask = |credentials: String, from: u8| {
        let users = Arc::clone(&users);
        tokio::spawn(async move { users.admit(&header(&credentials), peer(from)).await })
    };
    // One guess is being compared, hundreds wait: of a user's password, and of names that nobody has.
    let mut guesses = vec![ask("alice:guess".to_owned(), 1)];
    while !users.shared().comparing {
        yield_now().await;
    }
    assert_eq!(compared.recv().unwrap(), "guess");
    guesses.extend((0..300).map(|guess| ask(format!("alice:{guess}"), 1)));
    guesses.extend((0..300).map(|guess| ask(format!("nobody{guess}:x"), 2)));
    for _ in 0..1_000 {
        yield_now().await;
    }
    let alice = ask("alice:right".to_owned(), 2);
    for _ in 0..1_000 {
        yield_now().await;
    }
    // Her turn comes after one guess of the other peer, before the guesses of names from her own.
    let mut order = Vec::new();
    while !alice.is_finished() {
        go.send(()).unwrap();
        if let Ok(password) = compared.recv_timeout(std::time::Duration::from_secs(20)) {
            order.push(password);
        }
        for _ in 0..100 {
            yield_now().await;
        }
        assert!(order.len() < 10, "{order:?}");
    }
    assert_eq!(alice.await.unwrap(), Ok(()));
    assert!(order.iter().any(|password| password == "right"), "{order:?}");
    drop(go);
    guesses.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_new_file_keeps_what_is_known_of_the_same_hashes() {
    let hash_of_old = hash(4);
    let old = with_hashes(&[("alice", &hash_of_old)]);
    assert_eq!(old.admit(&header("alice:right"), peer(1)).await, Ok(()));
    let compares = async |hash: &str| {
        let mut new = with_hashes(&[("alice", hash)]);
        let (said, compared) = mpsc::channel();
        new.compare = Arc::new(move |_, _| said.send(()).is_ok());
        new.remember_from(&old);
        assert_eq!(new.admit(&header("alice:right"), peer(1)).await, Ok(()));
        compared.try_iter().count()
    };
    assert_eq!(compares(&hash_of_old).await, 0);
    assert_eq!(compares(&hash(4)).await, 1);
}

#[test]
fn wrong_guesses_are_forgotten_in_time_and_right_ones_are_not() {
    let mut verdicts = Verdicts::default();
    let mut remember = |digest, right| verdicts.remember("alice".to_owned(), digest, right);
    remember([0xff; 32], true);
    for guess in 0..u8::MAX {
        remember([guess; 32], false);
        remember([guess; 32].map(|byte| byte ^ 1), false);
    }
    remember([0xaa; 32], false);
    assert!(verdicts.wrong.len() <= WRONG_KEPT);
    assert_eq!(verdicts.of("alice", &[0xff; 32]), Some(true));
    assert_eq!(verdicts.of("bob", &[0xff; 32]), None);
    assert_eq!(verdicts.of("alice", &[0xaa; 32]), Some(false));
}
