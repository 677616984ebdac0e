//! Text → tree, from the YAML crate's events: they alone keep a scalar's spelling and quotes, and
//! building from them needs no recursion, so that no nesting can exhaust the stack.

use super::syntax;
use super::{Limits, Node, Value};
use crate::model::diagnostic::{Diagnostic, Place};
use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads one YAML document. `file` is the name that places use.
///
/// # Errors
/// Every repeated key, and the syntax error or limit that ended the reading; each with its place,
/// the file's first line where the whole file is meant.
pub fn parse(file: &str, text: &str, limits: &Limits) -> Result<Node, Vec<Diagnostic>> {
    if text.len() > limits.bytes {
        let message = format!("the file has {} bytes, more than the {} allowed", text.len(), limits.bytes);
        return Err(vec![
            Diagnostic::file_error(file, message)
                .with_label("a smaller file is expected")
                .with_help("split it into several files"),
        ]);
    }
    let mut builder = Builder::new(file, text, *limits);
    let options = serde_yaml::granit_parser::options! {
        flow_nesting_limit: limits.depth,
        block_nesting_limit: limits.depth,
        disallow_directives: true,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let taken = match event {
            Ok((event, span)) => builder.take(event, &span),
            Err(error) => Err(syntax::explain(file, text, &error, limits)),
        };
        if let Err(diagnostic) = taken {
            builder.problems.push(diagnostic);
            return Err(builder.problems);
        }
    }
    builder.finish()
}

/// What it costs to repeat a node.
#[derive(Clone, Copy)]
struct Cost {
    /// Nodes in it, itself included.
    nodes: usize,
    /// Bytes of its scalars.
    bytes: usize,
    /// Levels of lists and maps in it; a scalar has none.
    depth: usize,
}

/// A node that is complete.
#[derive(Clone)]
struct Built {
    node: Node,
    cost: Cost,
}

/// A list or a map that is being read.
struct Frame {
    place: Place,
    anchor: usize,
    cost: Cost,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { pairs: Vec<(Node, Node)>, key: Option<Node> },
}

struct Builder<'a> {
    file: Arc<str>,
    text: &'a str,
    limits: Limits,
    frames: Vec<Frame>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
    /// Bytes that anchors and aliases copied; what is written once is bounded by the file's size.
    copied: usize,
    aliases: usize,
    anchors: BTreeMap<usize, Built>,
    problems: Vec<Diagnostic>,
}

impl<'a> Builder<'a> {
    fn new(file: &str, text: &'a str, limits: Limits) -> Self {
        Self {
            file: file.into(),
            text,
            limits,
            frames: Vec::new(),
            root: None,
            documents: 0,
            nodes: 0,
            copied: 0,
            aliases: 0,
            anchors: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    fn finish(self) -> Result<Node, Vec<Diagnostic>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        self.root.filter(|root| !root.is_null()).ok_or_else(|| {
            vec![
                Diagnostic::file_error(&self.file, "the file is empty")
                    .with_label("nothing but comments or blank lines is here")
                    .with_help("write the document, or name another file"),
            ]
        })
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Diagnostic> {
        match event {
            Event::DocumentStart(..) => self.begin_document(span),
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag, span),
            Event::SequenceStart(_, anchor, tag) => {
                self.open(Content::List(Vec::new()), anchor, tag.as_deref(), span)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.open(Content::Map { pairs: Vec::new(), key: None }, anchor, tag.as_deref(), span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => self.alias(id, span),
            _ => Ok(()),
        }
    }

    fn begin_document(&mut self, span: &Span) -> Result<(), Diagnostic> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        Err(Diagnostic::error(&self.place(span), "a second document begins here")
            .with_label("one document a file is expected")
            .with_help("remove this `---`, or move what follows it into a file of its own"))
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        span: &Span,
    ) -> Result<(), Diagnostic> {
        let forced = self.check_tag(tag.as_deref(), span)?;
        let plain = style == ScalarStyle::Plain;
        let value = if plain && !forced && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
            Value::Null
        } else {
            Value::Scalar { text: text.into_owned(), quoted: !plain || forced }
        };
        let mut place = self.place(span);
        if value == Value::Null && span.is_empty() {
            // The parser puts "nothing" where the next token begins, often lines below its key.
            if let Some(Frame { content: Content::Map { key: Some(key), .. }, .. }) = self.frames.last() {
                place = key.place.clone();
            }
        }
        let bytes = span.byte_range().map_or(0, |range| range.len());
        self.count(1, &place)?;
        self.put(Built { node: Node { place, value }, cost: Cost { nodes: 1, bytes, depth: 0 } }, anchor)
    }

    fn open(
        &mut self,
        content: Content,
        anchor: usize,
        tag: Option<&Tag>,
        span: &Span,
    ) -> Result<(), Diagnostic> {
        self.check_tag(tag, span)?;
        let place = Place { length: 1, ..self.place(span) };
        self.count(1, &place)?;
        if self.frames.len() >= self.limits.depth {
            return Err(syntax::over_limit(&place, &self.limits));
        }
        self.frames.push(Frame { place, anchor, cost: Cost { nodes: 1, bytes: 0, depth: 1 }, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Diagnostic> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let value = match frame.content {
            Content::List(entries) => Value::List(entries),
            Content::Map { pairs, .. } => Value::Map(self.unique(merge(pairs)?)),
        };
        let node = Node { place: frame.place, value };
        self.put(Built { node, cost: frame.cost }, frame.anchor)
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<(), Diagnostic> {
        let place = self.place(span);
        self.aliases += 1;
        let Some(built) = self.anchors.get(&id) else {
            return Err(Diagnostic::error(&place, "this alias stands inside the value that it repeats")
                .with_label("it would never end")
                .with_help("write the value out"));
        };
        let cost = built.cost;
        if self.aliases > self.limits.aliases || self.frames.len() + cost.depth > self.limits.depth {
            return Err(syntax::over_limit(&place, &self.limits));
        }
        self.copy(cost, &place)?;
        let built = self.anchors.get(&id).cloned();
        built.map_or(Ok(()), |built| self.put(built, 0))
    }

    /// Hands a complete node to the list or map it stands in.
    fn put(&mut self, built: Built, anchor: usize) -> Result<(), Diagnostic> {
        if anchor != 0 {
            self.copy(built.cost, &built.node.place)?;
            self.anchors.insert(anchor, built.clone());
        }
        let Built { node, cost } = built;
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.cost.nodes += cost.nodes;
        frame.cost.bytes += cost.bytes;
        frame.cost.depth = frame.cost.depth.max(cost.depth + 1);
        match &mut frame.content {
            Content::List(entries) => entries.push(node),
            Content::Map { pairs, key } => match key.take() {
                Some(key) => pairs.push((key, node)),
                None => *key = Some(node),
            },
        }
        Ok(())
    }

    fn copy(&mut self, cost: Cost, place: &Place) -> Result<(), Diagnostic> {
        self.copied = self.copied.saturating_add(cost.bytes);
        if self.copied > self.limits.bytes {
            return Err(syntax::over_limit(place, &self.limits));
        }
        self.count(cost.nodes, place)
    }

    fn count(&mut self, nodes: usize, place: &Place) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > self.limits.nodes { Err(syntax::over_limit(place, &self.limits)) } else { Ok(()) }
    }

    /// Reports keys that stand twice and keeps the first of them.
    fn unique(&mut self, pairs: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
        let mut first: BTreeMap<String, Place> = BTreeMap::new();
        let mut kept = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let name = key.as_str().unwrap_or_default().to_owned();
            match first.get(&name) {
                Some(earlier) if key.as_str().is_some() => self.problems.push(
                    Diagnostic::error(&key.place, format!("key `{name}` stands twice in this map"))
                        .with_label("repeated here")
                        .with_help(format!("keep one of the two; the first is at {earlier}")),
                ),
                _ => {
                    first.insert(name, key.place.clone());
                    kept.push((key, value));
                }
            }
        }
        kept
    }

    /// Whether the tag makes a scalar text; a tag that is not YAML's own is an error, since what it
    /// asks for (to decrypt, to include) would not be done.
    fn check_tag(&self, tag: Option<&Tag>, span: &Span) -> Result<bool, Diagnostic> {
        let Some(tag) = tag else { return Ok(false) };
        match tag.core_suffix() {
            Some("str") => return Ok(true),
            Some("int" | "float" | "bool" | "null" | "seq" | "map") => return Ok(false),
            _ if tag.handle().is_empty() && tag.suffix() == "!" => return Ok(true),
            _ => {}
        }
        let place = self.place(&span.tag_span().unwrap_or(*span));
        Err(Diagnostic::error(
            &place,
            format!("the tag `{}{}` is not known", tag.original_handle(), tag.suffix()),
        )
        .with_label("only YAML's own tags are understood")
        .with_help("remove the tag; quote the value if `!` is meant as text"))
    }

    fn place(&self, span: &Span) -> Place {
        let source = span.slice(self.text).unwrap_or_default();
        let written = source.lines().next().unwrap_or_default().trim_end();
        Place {
            file: self.file.clone(),
            line: syntax::small(span.start.line()).max(1),
            column: syntax::small(span.start.col()).saturating_add(1),
            length: syntax::small(written.chars().count()).max(1),
        }
    }
}

/// Replaces `<<: map` and `<<: [map, map]` by the maps' pairs; the map's own keys win, then those of
/// the earlier map.
fn merge(pairs: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, Diagnostic> {
    if !pairs.iter().any(|(key, _)| is_merge(key)) {
        return Ok(pairs);
    }
    let (merges, mut own): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(key, _)| is_merge(key));
    for (key, value) in merges {
        let sources = match value.value {
            Value::List(sources) => sources,
            map => vec![Node { place: value.place, value: map }],
        };
        for source in sources {
            let Value::Map(merged) = source.value else {
                return Err(Diagnostic::error(&key.place, "`<<` needs a map, or a list of maps")
                    .with_label(format!("found {}", source.kind_word()))
                    .with_help("give an alias of a map, such as `<<: *defaults`"));
            };
            let taken: std::collections::BTreeSet<String> =
                own.iter().filter_map(|(key, _)| key.as_str().map(str::to_owned)).collect();
            own.extend(
                merged.into_iter().filter(|(key, _)| key.as_str().is_none_or(|key| !taken.contains(key))),
            );
        }
    }
    Ok(own)
}

fn is_merge(key: &Node) -> bool {
    key.value == Value::Scalar { text: "<<".to_owned(), quoted: false }
}
