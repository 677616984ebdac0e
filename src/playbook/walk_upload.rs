//! Nodes → the files that a `run` needs on the host.

use super::keys::UPLOAD;
use super::step::Upload;
use super::walk::{Fields, Walker};
use crate::model::yaml::Node;
use std::path::Path;

impl Walker {
    /// The value of `upload`: one file or a list of such, each with another name.
    pub(super) fn uploads(&mut self, fields: &Fields<'_>) -> Vec<Upload> {
        let Some(node) = fields.get("upload") else { return Vec::new() };
        let read = self.many(node, Self::upload);
        let mut uploads: Vec<Upload> = Vec::new();
        for upload in read {
            // Windows does not tell upper and lower case apart.
            if uploads.iter().any(|known| known.name.eq_ignore_ascii_case(&upload.name)) {
                self.error(
                    &upload.place,
                    format!("two files of this step are called `{}`", upload.name),
                    "they would be one on the host",
                    "rename one of them",
                );
            } else {
                uploads.push(upload);
            }
        }
        uploads
    }

    fn upload(&mut self, node: &Node) -> Option<Upload> {
        let fields = self.fields(node, &UPLOAD, "`upload`", &node.place, &[])?;
        let source = fields.get("source").and_then(|node| self.source(node));
        let sha256 = fields.get("sha256").and_then(|node| self.sha256(node));
        let (source, sha256) = (source?, sha256?);
        let name = Path::new(&source).file_name()?.to_str()?.to_owned();
        let beside = Path::new(node.place.file.as_ref()).parent().unwrap_or(Path::new(""));
        Some(Upload { name, source: beside.join(source), sha256, place: node.place.clone() })
    }

    /// A file whose name can be one on every host.
    fn source(&mut self, node: &Node) -> Option<String> {
        let source = self.text(node)?;
        let name = Path::new(&source).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if Upload::is_name(name) && !source.ends_with('/') {
            return Some(source);
        }
        self.error(
            &node.place,
            format!("`{source}` cannot be laid down on a host"),
            "its name there is its last part: letters, digits, `.`, `_`, `-`, and no device's of Windows",
            "rename the file",
        );
        None
    }

    fn sha256(&mut self, node: &Node) -> Option<String> {
        let digest = self.text(node)?.to_ascii_lowercase();
        if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(digest);
        }
        self.error(
            &node.place,
            format!("`{digest}` is not a SHA-256"),
            "expected 64 hexadecimal digits",
            "write the output of `sha256sum FILE`, in quotes",
        );
        None
    }
}
