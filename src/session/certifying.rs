//! The certificate of a proxy that speaks TLS: with each Stackfile, and again when its end is near.

use std::time::Duration;

use devrun_core::certificate;
use devrun_core::event::Stackfile;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::driver::{Driver, Input};
use super::load::root_hash;
use crate::tls;

/// One is made anew a month before its end; a session may be there for longer.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(12 * 60 * 60);

impl Driver {
    /// Gives the Stackfile the certificate that its proxy needs.
    pub(super) fn certify(&mut self, stackfile: &mut Stackfile) {
        let Stackfile::Loaded {
            stack,
            certificate,
            warnings,
            ..
        } = stackfile
        else {
            return;
        };
        self.certificate = None;
        if certificate::wanted(stack).is_none() {
            return;
        }
        *certificate = Some(match tls::for_stack(stack, &root_hash(&stack.root)) {
            Ok(ready) => {
                warnings.extend(ready.new.as_deref().map(tls::how_to_trust));
                self.certificate = Some(ready.certificate.id.clone());
                Ok(ready.certificate)
            }
            Err(error) => {
                warnings.push(format!("the proxy has no certificate: {error}"));
                Err(error.to_string())
            }
        });
    }

    /// Asks for it from time to time.
    pub(super) fn follow_certificate(&self) {
        tokio::spawn(look_again(self.inputs.clone()));
    }

    /// Whether another one serves by now.
    pub(super) fn is_certified_otherwise(&self) -> bool {
        let Some(stack) = self
            .stack
            .as_ref()
            .filter(|it| certificate::wanted(it).is_some())
        else {
            return false;
        };
        let ready = tls::for_stack(stack, &root_hash(&stack.root));
        ready.is_ok_and(|ready| Some(ready.certificate.id) != self.certificate)
    }
}

/// As long as somebody listens.
async fn look_again(inputs: mpsc::Sender<Input>) {
    loop {
        sleep_until(Instant::now() + LOOK_AGAIN_AFTER).await;
        if inputs.send(Input::Certificate).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use devrun_core::certificate::RENEWED_BEFORE;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_there_for_months_looks_again_and_again_before_any_end() {
        let (inputs, mut heard) = mpsc::channel(1);
        let looking = tokio::spawn(look_again(inputs));
        let days = u64::try_from(RENEWED_BEFORE).unwrap();
        let left = Duration::from_secs(days * 24 * 60 * 60);
        for _ in 0..3 {
            let input = timeout(left, heard.recv()).await.unwrap();
            assert!(matches!(input, Some(Input::Certificate)));
        }
        drop(heard);
        looking.await.unwrap();
    }
}
