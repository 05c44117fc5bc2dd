//! The order of a crate's modules, read from `xtask/layers.toml`: a section for each crate, and in
//! the section a line for each module, the highest module first.

use std::fmt;

use anyhow::{Context, Result};

use super::Arrow;
use crate::lists::{self, Section};

/// The prefix of section names that list the arrows still to be cut.
const KNOWN: &str = "known.";

/// The modules of a crate, the highest first.
#[derive(Debug)]
pub(super) struct LayerList {
    pub(super) name: String,
    pub(super) layers: Vec<Layer>,
    /// Known faults: arrows to a higher layer that are still to be cut.
    pub(super) known: Vec<KnownArrow>,
}

#[derive(Debug)]
pub(super) struct Layer {
    pub(super) module: String,
    pub(super) meaning: String,
}

#[derive(Debug)]
pub(super) struct KnownArrow {
    from: String,
    to: String,
}

impl LayerList {
    /// Returns the number of layers above the module.
    pub(super) fn place(&self, module: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.module == module)
    }

    /// True if the arrow leads to a module above the module of the use. The crate's root stands
    /// above all.
    pub(super) fn rises(&self, arrow: &Arrow) -> bool {
        self.place(&arrow.to) < self.place(&arrow.from)
    }

    pub(super) fn knows(&self, arrow: &Arrow) -> bool {
        self.known.iter().any(|known| known.is(arrow))
    }

    /// Returns the fault's line: the place of the arrow, and ways to cut the arrow.
    pub(super) fn mending(&self, arrow: &Arrow) -> String {
        let Arrow { from, to, file, line } = arrow;
        let meaning = |module: &str| {
            let layer = self.layers.iter().find(|layer| layer.module == module);
            layer.map_or_else(String::new, |layer| format!(" ({})", layer.meaning))
        };
        format!(
            "{}:{line}: `{from}` uses `{to}`, which stands above it: move what is used into `{from}`{} or below it, \
             or let `{to}`{} hand it down as an argument",
            file.display(),
            meaning(from),
            meaning(to)
        )
    }
}

impl KnownArrow {
    fn parse(text: &str) -> Result<KnownArrow> {
        let (from, to) =
            text.split_once(" -> ").with_context(|| format!("`{text}`: expected `from -> to`"))?;
        Ok(KnownArrow { from: from.to_owned(), to: to.to_owned() })
    }

    pub(super) fn is(&self, arrow: &Arrow) -> bool {
        self.from == arrow.from && self.to == arrow.to
    }
}

impl fmt::Display for KnownArrow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} -> {}", self.from, self.to)
    }
}

/// Reads the list of all crates.
pub(super) fn read(text: &str) -> Result<Vec<LayerList>> {
    let mut orders: Vec<LayerList> = Vec::new();
    for Section { name, lines } in lists::read(text)? {
        if let Some(of) = name.strip_prefix(KNOWN) {
            let order = orders.iter_mut().find(|order| order.name == of);
            let order =
                order.with_context(|| format!("there is no section `[{of}]` above `[{name}]`"))?;
            order.known = lines
                .into_iter()
                .map(|(arrow, _)| KnownArrow::parse(arrow))
                .collect::<Result<_>>()?;
        } else {
            let layer = |(module, meaning): (&str, &str)| Layer {
                module: module.to_owned(),
                meaning: meaning.to_owned(),
            };
            orders.push(LayerList {
                name: name.to_owned(),
                layers: lines.into_iter().map(layer).collect(),
                known: Vec::new(),
            });
        }
    }
    Ok(orders)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_is_no_order_is_refused() {
        for (text, why) in [
            ("roof = \"keeps rain out\"\n", "no section"),
            ("[house]\n[known.house]\n\"roof\" = \"a\"\n", "from -> to"),
            ("[known.house]\n\"a -> b\" = \"a\"\n", "no section"),
        ] {
            let refused = format!("{:#}", read(text).unwrap_err());
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
