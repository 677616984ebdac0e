use super::*;

/// A host with some of the products, some of them unknown.
fn some_host(name: &'static str) -> impl Strategy<Value = Facts> {
    let packages =
        prop::sample::subsequence(vec!["kesl", "kesl-gui", "klnagent", "ksc64", "ksmg", "a\nb"], 0..=6);
    (packages, any::<bool>(), any::<bool>(), any::<bool>(), 0..4u8).prop_map(
        move |(packages, residue, gap, root, uid)| {
            let mut facts = clean_facts(name);
            facts.packages.items.extend(packages.iter().map(|name| package(name, "install ok installed")));
            if residue {
                for id in ["kesl", "ksc"] {
                    let data = entry(&format!("/var/opt/kaspersky/{id}"), PathKind::Directory);
                    facts.paths.insert(data.path.clone(), complete(vec![data]));
                }
            }
            if gap {
                facts.packages.gaps.push(Gap { reason: "cut off".into(), remedy: None });
            }
            facts.privilege.uid = Some(if root { 0 } else { u32::from(uid) });
            facts
        },
    )
}

fn some_after() -> impl Strategy<Value = Vec<Vec<String>>> {
    // A product may come after those before it in a fixed order: never a circle.
    let ids = ["klnagent", "kesl", "ksc", "ksmg"];
    let after = |index: usize| {
        prop::sample::subsequence(ids[..index].to_vec(), 0..=index)
            .prop_map(|ids| ids.into_iter().map(str::to_owned).collect::<Vec<String>>())
    };
    (Just(Vec::new()), after(1), after(2), after(3)).prop_map(|(a, b, c, d)| vec![a, b, c, d])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_keeps_its_promises(
        a in some_host("a"),
        b in some_host("b"),
        after in some_after(),
        allow in any::<bool>(),
        order in Just(vec![0usize, 1, 2, 3]).prop_shuffle(),
    ) {
        let mut playbook = playbook();
        for (product, after) in playbook.products.iter_mut().zip(after) {
            product.after = after;
        }
        let products = order.iter().map(|index| playbook.products[*index].clone()).collect();
        let playbook = Playbook { products, ..playbook };
        let settings = || PlanSettings {
            allowed: if allow { vec!["administration-server".to_owned()] } else { Vec::new() },
            ..settings()
        };
        let hosts = [a, b];
        let plan = plan_with(&playbook, settings(), &hosts).unwrap();
        // The same input gives the same bytes, and they come back as they are.
        let bytes = to_bytes(&plan);
        prop_assert_eq!(&bytes, &to_bytes(&plan_with(&playbook, settings(), &hosts).unwrap()));
        prop_assert_eq!(&read_text(std::str::from_utf8(&bytes).unwrap()).unwrap(), &plan);
        // Every host is in exactly one wave.
        let mut in_waves: Vec<&String> = plan.waves.iter().flat_map(|wave| &wave.hosts).collect();
        in_waves.sort();
        prop_assert_eq!(in_waves, ["a", "b"]);
        for host in &plan.hosts {
            let state = |id: &str| host.findings.iter().find(|finding| finding.product == id).unwrap().result;
            for step in &host.steps {
                prop_assert!(matches!(state(&step.product), ProductState::Present | ProductState::Residue));
                prop_assert!(host.gone_after.contains(&step.product));
                prop_assert!(!step.script.contains("a\nb"));
            }
            for product in &playbook.products {
                let planned = host.gone_after.contains(&product.id);
                let listed = host.not_planned.iter().any(|entry| entry.product == product.id);
                // What is there is planned or has its reason, and never both.
                prop_assert_eq!(planned || listed, state(&product.id) != ProductState::Absent);
                prop_assert!(!(planned && listed));
                let first = host.steps.iter().position(|step| step.product == product.id);
                for earlier in &product.after {
                    let last = host.steps.iter().rposition(|step| &step.product == earlier);
                    if let (Some(first), Some(last)) = (first, last) {
                        prop_assert!(last < first, "{} before {earlier}", product.id);
                    }
                    // Not begun after one that is unknown.
                    prop_assert!(first.is_none() || state(earlier) != ProductState::Unknown);
                }
            }
        }
        // Both ways of telling agree.
        prop_assert_eq!(diff(&plan, &plan), "no difference\n");
        prop_assert!(show(&plan, 80).ends_with("\n"));
    }
}
