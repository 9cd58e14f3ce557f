//! One address in front of several relays.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Hands each connection to the next relay that takes one, as a load balancer in front of them does.
pub(super) struct Front {
    pub(super) address: SocketAddr,
}

impl Front {
    pub(super) fn of(relays: [SocketAddr; 2]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut turns = (0..relays.len()).cycle();
            for client in listener.incoming().map_while(Result::ok) {
                let reached =
                    turns.by_ref().take(relays.len()).find_map(|turn| TcpStream::connect(relays[turn]).ok());
                // Without one the client is hung up on.
                if let Some(relay) = reached {
                    lead(&client, &relay).unwrap();
                }
            }
        });
        Self { address }
    }
}

fn lead(client: &TcpStream, relay: &TcpStream) -> io::Result<()> {
    for (mut from, mut to) in
        [(client.try_clone()?, relay.try_clone()?), (relay.try_clone()?, client.try_clone()?)]
    {
        thread::spawn(move || {
            let _hung_up = io::copy(&mut from, &mut to);
            let _closed = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}
