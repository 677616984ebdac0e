//! What the page's script reads of the hosts, as compact JSON. Thousands of hosts say the same again and again,
//! so every text stands once in a list and is named by its number.

use super::details::{Detail, Found, Step};
use super::text::shown;
use serde::Serialize;
use std::collections::HashMap;

/// By what a host is found, filtered and sorted; strings of hosts as they are.
#[derive(Default)]
pub(super) struct Keys<'a> {
    /// Its state or status.
    pub(super) state: &'a str,
    /// How many seconds its work took.
    pub(super) took: Option<i64>,
    pub(super) wave: Option<&'a str>,
    pub(super) groups: &'a [String],
    /// The products that its row names.
    pub(super) products: Vec<&'a str>,
    pub(super) remarks: Vec<&'static str>,
}

/// The data of the script, as a text that ends no element and begins none.
/// Hosts in the order of the table's rows.
pub(super) fn json<'a>(hosts: impl Iterator<Item = (Keys<'a>, Detail)>) -> String {
    let mut texts = Texts::default();
    let hosts: Vec<Host> = hosts.map(|(keys, detail)| Host::of(&keys, &detail, &mut texts)).collect();
    let data = Data { s: texts.into_list(), h: hosts };
    #[expect(clippy::expect_used, reason = "only strings and numbers: nothing that JSON cannot hold")]
    let text = serde_json::to_string(&data).expect("a page's data is JSON");
    text.replace('<', "\\u003c")
}

#[derive(Serialize)]
struct Data {
    /// Every text.
    s: Vec<String>,
    /// The hosts, in the order of the table's rows.
    h: Vec<Host>,
}

/// A host; every number but `d` is that of a text.
#[derive(Serialize)]
struct Host {
    /// State.
    t: u32,
    /// Seconds it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<i64>,
    /// Wave.
    #[serde(skip_serializing_if = "Option::is_none")]
    w: Option<u32>,
    /// Groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    g: Vec<u32>,
    /// Products that are there, unknown or gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    p: Vec<u32>,
    /// Remarks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    r: Vec<u32>,
    /// Labels and values.
    a: Vec<(u32, u32)>,
    /// Notes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    n: Vec<u32>,
    /// Findings: product, word, tone, exemption, evidence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    f: Vec<FoundData>,
    /// Absent products.
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<u32>,
    /// Findings before the steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    b: Vec<FoundData>,
    /// Steps: name, summary, word, tone, meta, reason, earlier, outputs of label and text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    s: Vec<StepData>,
}

type FoundData = (u32, u32, u32, u32, Vec<u32>);
type StepData = (u32, u32, u32, u32, u32, u32, Vec<u32>, Vec<(u32, u32)>);

impl Host {
    fn of(keys: &Keys<'_>, detail: &Detail, texts: &mut Texts) -> Self {
        Self {
            t: texts.number(keys.state),
            d: keys.took,
            w: keys.wave.map(|wave| texts.number(&shown(wave))),
            g: keys.groups.iter().map(|group| texts.number(&shown(group))).collect(),
            p: keys.products.iter().map(|product| texts.number(&shown(product))).collect(),
            r: keys.remarks.iter().map(|remark| texts.number(remark)).collect(),
            a: detail.about.iter().map(|(label, value)| (texts.number(label), texts.number(value))).collect(),
            n: texts.numbers(&detail.notes),
            f: detail.found.iter().map(|found| texts.found(found)).collect(),
            x: (!detail.absent.is_empty()).then(|| texts.number(&detail.absent)),
            b: detail.before.iter().map(|found| texts.found(found)).collect(),
            s: detail.steps.iter().map(|step| texts.step(step)).collect(),
        }
    }
}

/// Texts, each once.
#[derive(Default)]
struct Texts {
    numbers: HashMap<String, u32>,
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        self.numbers.insert(text.to_owned(), number);
        number
    }

    fn numbers(&mut self, texts: &[String]) -> Vec<u32> {
        texts.iter().map(|text| self.number(text)).collect()
    }

    fn found(&mut self, found: &Found) -> FoundData {
        let exemption = self.number(&found.exemption);
        let (product, word, tone) =
            (self.number(&found.product), self.number(found.word), self.number(found.tone));
        (product, word, tone, exemption, self.numbers(&found.evidence))
    }

    fn step(&mut self, step: &Step) -> StepData {
        let outputs = step
            .outputs
            .iter()
            .map(|output| (self.number(&output.label), self.number(&output.text)))
            .collect();
        let (word, tone) = (self.number(step.word), self.number(step.tone));
        let (name, summary) = (self.number(&step.name), self.number(&step.summary));
        let (meta, reason) = (self.number(&step.meta), self.number(&step.reason));
        (name, summary, word, tone, meta, reason, self.numbers(&step.earlier), outputs)
    }

    fn into_list(self) -> Vec<String> {
        let mut pairs: Vec<(String, u32)> = self.numbers.into_iter().collect();
        pairs.sort_unstable_by_key(|(_, number)| *number);
        pairs.into_iter().map(|(text, _)| text).collect()
    }
}
