//! A target whose disk is full for a while: what does not fit is named, and comes once it does.

use std::path::{Path, PathBuf};

use crate::host::Writer;
use crate::kit::within;
use crate::ops::{Op, steady};
use crate::stage::{Shared, Stage};

/// What is written while nothing fits; `status` names the first few, and this is the first.
const LATE: &str = "!late.py";
/// So often it is looked for before it is written again: the first time it may just have fitted.
const LOOKS: usize = 20;

impl Stage {
    /// The first half of that is done before there is no room left. What is wrong about it.
    pub fn full(&self, folder: &Path, writer: &mut Writer, ops: &[Op]) -> String {
        let shared = &self.shared;
        let _doing = shared.doing("for what does not fit to be told");
        let (before, meanwhile) = ops.split_at(ops.len() / 2);
        writer.perform(&Op::Mkdir(PathBuf::new()));
        writer.perform(&Op::Write(steady(0), 100));
        before.iter().for_each(|op| writer.perform(op));
        if shared.try_ask(|inside| inside.fill(true)).is_none() {
            return String::new();
        }
        meanwhile.iter().for_each(|op| writer.perform(op));
        let late = PathBuf::from(LATE);
        let mut looks = 0;
        let told = within(30, || {
            if looks % LOOKS == 0 {
                writer.perform(&Op::Write(late.clone(), 5_000));
            }
            looks += 1;
            is_told(shared, &Path::new("small").join(folder).join(&late)).then_some(())
        });
        let status = told.is_none().then(|| shared.status());
        shared.try_ask(|inside| inside.fill(false));
        status.map_or_else(String::new, |status| {
            format!("the disk is full, and {LATE} is not named: {status}\n")
        })
    }
}

/// Whether that path is pending, for the right reason.
fn is_told(shared: &Shared, path: &Path) -> bool {
    let status = shared.status();
    let service = &status["services"][0];
    let Some(all) = service["sync"]["not_synced"].as_array() else {
        return false;
    };
    let names = |one: &serde_json::Value| {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        text("path").ends_with(&path.display().to_string())
            && text("reason").contains("No space left on device")
    };
    all.iter().any(names) && service["pending"].as_u64() > Some(0)
}
