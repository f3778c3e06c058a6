//! From text to nodes; what KDL cannot read is told once a region.

use kdl::KdlDocument;

use crate::diagnostic::{Diagnostic, SourceFile};

/// Parses, or says what is in the way.
pub(crate) fn parse(file: &SourceFile) -> Result<KdlDocument, Vec<Diagnostic>> {
    KdlDocument::parse_v2(file.inner()).map_err(|error| {
        error
            .diagnostics
            .iter()
            .map(|one| {
                Diagnostic::new(
                    file,
                    "kdl::syntax",
                    one.span,
                    "here",
                    one.message.clone().unwrap_or_default(),
                )
            })
            .collect()
    })
}
