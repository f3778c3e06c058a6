//! Names of built images.

/// The name of the image that was built from these inputs: `app-backend:1f3c5a7b9d0e`.
pub(crate) fn image_tag(name: &str, inputs_hash: &str) -> String {
    let short: String = inputs_hash.chars().take(12).collect();
    // The engine takes no capitals in an image's name.
    format!("{}:{short}", name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::image_tag;

    #[test]
    fn a_tag_is_the_name_and_twelve_digits() {
        assert_eq!(
            image_tag("App-backend", "1f3c5a7b9d0e2f4a6b8c"),
            "app-backend:1f3c5a7b9d0e"
        );
    }
}
