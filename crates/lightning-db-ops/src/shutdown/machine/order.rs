//! Who goes before whom within a phase.

use std::collections::{BTreeMap, BTreeSet};

use super::{Id, Spec};
use crate::error::{Error, Result};
use crate::shutdown::phase::Priority;

/// The tiers of components, and who uses whom.
#[derive(Debug, Default)]
pub(super) struct Order {
    tiers: BTreeMap<Id, Priority>,
    /// Pairs of a component, and one that uses it.
    users: BTreeSet<(Id, Id)>,
}

impl Order {
    /// The order of these, which have no cycle.
    pub(super) fn new<'a>(specs: impl Iterator<Item = (Id, &'a Spec)>) -> Self {
        let specs: Vec<_> = specs.collect();
        let ids: BTreeMap<&str, Id> =
            specs.iter().map(|(id, spec)| (spec.name.as_str(), *id)).collect();
        let uses: BTreeSet<_> = specs
            .iter()
            .flat_map(|(id, spec)| spec.depends_on.iter().map(move |name| (*id, name)))
            .filter_map(|(id, name)| Some((id, *ids.get(name.as_str())?)))
            .collect();
        let mut tiers: BTreeMap<Id, Priority> =
            specs.iter().map(|(id, spec)| (*id, spec.priority)).collect();
        // What is used is raised to the tier of its user, and then what that uses in turn. A tier
        // only grows, so this ends.
        let mut raised: Vec<Id> = specs.iter().map(|(id, _)| *id).collect();
        while let Some(user) = raised.pop() {
            let tier = tiers.get(&user).copied().unwrap_or_default();
            for (_, used) in uses.range((user, Id::MIN)..=(user, Id::MAX)) {
                if let Some(of_used) = tiers.get_mut(used)
                    && *of_used < tier
                {
                    *of_used = tier;
                    raised.push(*used);
                }
            }
        }
        Self { tiers, users: uses.into_iter().map(|(user, used)| (used, user)).collect() }
    }

    /// The tier of a component: no earlier than that of any that uses it.
    pub(super) fn tier(&self, id: Id) -> Priority {
        self.tiers.get(&id).copied().unwrap_or_default()
    }

    /// Those that use a component.
    pub(super) fn users(&self, id: Id) -> impl Iterator<Item = Id> {
        self.users.range((id, Id::MIN)..=(id, Id::MAX)).map(|(_, user)| *user)
    }
}

/// Refuses a component whose name is taken, or that would wait for itself.
pub(super) fn check<'a>(registered: impl Iterator<Item = &'a Spec>, new: &Spec) -> Result<()> {
    let mut specs: BTreeMap<&str, &Spec> =
        registered.map(|spec| (spec.name.as_str(), spec)).collect();
    let name = new.name.clone();
    if specs.insert(&new.name, new).is_some() {
        return Err(Error::NameTaken { name });
    }
    // Only a way that leads from the new one back to it can be a cycle that is new.
    let mut seen = BTreeSet::new();
    let mut ways: Vec<Vec<&str>> = vec![vec![&new.name]];
    while let Some(way) = ways.pop() {
        let uses = way.last().and_then(|last| specs.get(last)).map(|spec| &spec.depends_on);
        for used in uses.into_iter().flatten() {
            if *used == new.name {
                let through = way.iter().map(|name| (*name).to_owned()).collect();
                return Err(Error::Cycle { name, through });
            }
            if seen.insert(used.as_str()) {
                let mut longer = way.clone();
                longer.push(used);
                ways.push(longer);
            }
        }
    }
    Ok(())
}
