//! Which servers manage the products of a host: they may bring back what is removed.

use crate::facts::Facts;
use crate::model::{Finding, ProductState};
use crate::playbook::Product;

/// The longest address that is believed, in characters; a host name has at most 253.
const LONGEST: usize = 300;

/// What the host tells of the servers of what is there, one sentence for each.
pub(super) fn warnings(products: &[&Product], facts: &Facts, findings: &[Finding]) -> Vec<String> {
    let is_there = |product: &&&Product| {
        let finding = findings.iter().find(|finding| finding.product == product.id);
        finding.is_some_and(|finding| finding.result == ProductState::Present)
    };
    let told = products.iter().filter(is_there).filter_map(|product| {
        let server = product.managed_by.as_ref()?;
        let keys = &facts.registry.get(server.registry.as_str())?.items;
        let values = keys.iter().flat_map(|key| &key.values);
        let mut named = values.filter(|value| value.name.eq_ignore_ascii_case(&server.value));
        let address = named.next()?.data.trim();
        (!address.is_empty()).then_some((product.id.as_str(), address))
    });
    told.map(|(product, address)| {
        let address: String = address.chars().take(LONGEST).collect();
        format!(
            "`{product}` is managed by the server `{address}`, which may install products on this host again: take \
             the host out of its groups and installation tasks first"
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{RegistryKey, RegistryValue};
    use crate::plan::testing::{clean_facts, complete, pattern, product};
    use crate::playbook::ManagedBy;

    const KEY: &str = r"HKLM\SOFTWARE\KasperskyLab\Agent";

    #[test]
    fn the_server_of_what_is_there_is_named() {
        let mut agent = product("klnagent", Vec::new());
        agent.managed_by = Some(ManagedBy { registry: pattern(KEY), value: "Server".to_owned() });
        let mut facts = clean_facts("w1");
        let value =
            |data: &str| RegistryValue { name: "SERVER".into(), kind: "REG_SZ".into(), data: data.into() };
        let key =
            |data| RegistryKey { key: KEY.replace("HKLM", "HKEY_LOCAL_MACHINE"), values: vec![value(data)] };
        facts.registry.insert(KEY.to_owned(), complete(vec![key("ksc.example.org")]));
        let found = |result| {
            let rules = crate::detect::ProductRules::from(&agent);
            vec![Finding { result, ..crate::detect::finding(&rules, &facts) }]
        };
        let told = warnings(&[&agent], &facts, &found(ProductState::Present));
        assert!(told.len() == 1 && told[0].contains("managed by the server `ksc.example.org`"), "{told:?}");
        assert!(warnings(&[&agent], &facts, &found(ProductState::Absent)).is_empty());
        facts.registry.insert(KEY.to_owned(), complete(vec![key(" ")]));
        assert!(warnings(&[&agent], &facts, &[]).is_empty());
    }
}
