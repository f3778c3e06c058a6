//! Which addresses containers get that take the place of others; see [`devrun_core::addresses`].

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use devrun_core::spec::{ContainerSpec, label};
use futures_util::future::join_all;

use crate::engine::{Addresses, Engine};

/// The last address that was given in each network, by the network's id. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Given(Arc<Mutex<HashMap<String, Ipv4Addr>>>);

impl Given {
    /// Addresses that nobody has or had lately. Where the kernel keeps nobody waiting, because no
    /// port is published, it stays as the engine likes, which mostly is the former address.
    pub(super) async fn next(&self, engine: &Engine, spec: &ContainerSpec) -> Addresses {
        let networks = match spec.ports.is_empty() {
            true => &[],
            false => spec.networks.as_slice(),
        };
        let stack = spec.labels.get(label::STACK).map_or("", String::as_str);
        let rooms = networks.iter().map(|one| engine.room(&one.network, stack));
        let mut addresses = Addresses::new();
        for (one, room) in networks.iter().zip(join_all(rooms).await) {
            let room = match room {
                Ok(Some(room)) => room,
                Ok(None) => continue,
                Err(error) => {
                    tracing::debug!(%error, "the engine chooses the address");
                    continue;
                }
            };
            let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let last = given.get(&room.network).copied();
            if let Some(next) = room.subnet.next(&room.taken, last) {
                given.insert(room.network, next);
                addresses.insert(one.network.clone(), next);
            }
        }
        addresses
    }
}
