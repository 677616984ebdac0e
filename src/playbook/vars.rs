//! `${name}` in any text of a playbook, `$$` for `$`. No expressions. A `$` before anything else
//! stays as it is, so that shell commands and regular expressions need no escapes.

use crate::model::yaml::{Node, Value};
use crate::model::{Diagnostic, diagnostic::nearest};
use std::collections::BTreeMap;

/// Replaces variables in every text of the tree, not in keys.
pub(super) fn substitute(node: &mut Node, vars: &BTreeMap<String, String>, problems: &mut Vec<Diagnostic>) {
    match &mut node.value {
        Value::Null => {}
        Value::List(entries) => entries.iter_mut().for_each(|entry| substitute(entry, vars, problems)),
        Value::Map(pairs) => pairs.iter_mut().for_each(|(_, value)| substitute(value, vars, problems)),
        Value::Scalar { text, quoted } if text.contains('$') => match expand(text, vars) {
            Ok(expanded) => {
                *text = expanded;
                // What came out of a variable is text, as it was before: `"${n}"` is no number.
                *quoted = true;
            }
            Err(wrong) => problems.push(describe(&node.place, &wrong, vars)),
        },
        Value::Scalar { .. } => {}
    }
}

/// What follows `${`, up to `}` or the end.
struct Wrong {
    name: String,
    closed: bool,
}

fn expand(text: &str, vars: &BTreeMap<String, String>) -> Result<String, Wrong> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            after
        } else if let Some(after) = after.strip_prefix('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err(Wrong { name: after.chars().take(40).collect(), closed: false });
            };
            let value = vars.get(name).ok_or_else(|| Wrong { name: name.to_owned(), closed: true })?;
            out.push_str(value);
            after
        } else {
            out.push('$');
            after
        };
    }
    out.push_str(rest);
    Ok(out)
}

fn describe(place: &crate::model::Place, wrong: &Wrong, vars: &BTreeMap<String, String>) -> Diagnostic {
    let name = &wrong.name;
    if !wrong.closed {
        return Diagnostic::error(place, format!("`${{{name}` has no `}}`"))
            .with_label("a variable begins here and does not end")
            .with_help("close it, or write `$${` for `${` itself");
    }
    let help = match nearest(name, vars.keys().map(String::as_str)) {
        Some(near) => format!("did you mean `${{{near}}}`?"),
        None => format!("declare it under `vars:`, or write `$${{{name}}}` for `${{{name}}}` itself"),
    };
    Diagnostic::error(place, format!("unknown variable `{name}`"))
        .with_label("no such name under `vars`")
        .with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Option<String> {
        let vars = BTreeMap::from([("a".to_owned(), "1${b}".to_owned())]);
        expand(text, &vars).ok()
    }

    #[test]
    fn replaces_once_and_leaves_other_dollars() {
        assert_eq!(expanded("x${a}y${a}").as_deref(), Some("x1${b}y1${b}"));
        assert_eq!(expanded("$$x $${a} $HOME $(id) end$").as_deref(), Some("$x ${a} $HOME $(id) end$"));
        assert_eq!(expanded("${b}"), None);
        assert_eq!(expanded("${a"), None);
    }
}
