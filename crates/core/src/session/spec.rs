//! What the container of a service is to be made of, as it is declared now.

use std::sync::Arc;

use devrun_stack::{Service, Stack};

use super::Session;
use super::machine::ImageState;
use crate::make;
use crate::spec::{ContainerSpec, Image, label};

/// The hash of one, and all that it depends on: each event asks for it, of each service.
#[derive(Debug, Clone)]
pub(crate) struct Hashed {
    stack: Arc<Stack>,
    image: String,
    network: Option<String>,
    hash: String,
}

impl Session {
    /// All of it, for an image.
    pub(super) fn spec(&self, service: &Service, image: &Image) -> Option<ContainerSpec> {
        let stack = self.stack.as_ref()?;
        let container_of = |name: &str| self.machines.get(name)?.container_id();
        let service = make::settled(stack, service, container_of);
        Some(make::container(
            stack,
            &service,
            image,
            &self.options.root,
            self.options.run.as_deref(),
        ))
    }

    /// The same for the image that is there.
    pub(super) fn spec_now(&self, name: &str) -> Option<ContainerSpec> {
        match &self.machines.get(name)?.image {
            ImageState::Have(image) => self.spec(self.service(name)?, image),
            _ => None,
        }
    }

    /// Its hash.
    pub(super) fn spec_hash(&mut self, name: &str) -> Option<String> {
        let (stack, service) = (self.stack.as_ref()?, self.service(name)?);
        let other = service.settings.network_of();
        let network = other.and_then(|other| self.machines.get(other)?.container_id());
        let machine = self.machines.get(name)?;
        let ImageState::Have(image) = &machine.image else {
            return None;
        };
        let known = machine.spec_hash.as_ref().filter(|known| {
            Arc::ptr_eq(&known.stack, stack) && known.image == image.id && known.network == network
        });
        if let Some(known) = known {
            return Some(known.hash.clone());
        }
        let mut spec = self.spec(service, image)?;
        let hash = spec.labels.remove(label::SPEC).unwrap_or_default();
        let hashed = Hashed {
            stack: stack.clone(),
            image: image.id.clone(),
            network,
            hash: hash.clone(),
        };
        self.machines.get_mut(name)?.spec_hash = Some(hashed);
        Some(hash)
    }
}
