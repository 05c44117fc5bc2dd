//! The drawing of the layers in `ARCHITECTURE.md`, made from the order, and the rows of the
//! document's code map.

use super::LayerList;

const COLUMNS: usize = 100;

/// Returns the differences between the order and the document's drawing and code map.
pub(super) fn faults(document: &str, orders: &[LayerList]) -> Vec<String> {
    let mut faults = Vec::new();
    for order in orders {
        let drawn = drawn(order);
        if !document.contains(&drawn) {
            faults.push(format!(
                "the layers of {} are not drawn as they are; these lines should stand there:\n{drawn}",
                order.name
            ));
        }
    }
    faults.extend(orders.iter().flat_map(|order| unmapped(document, order)));
    faults
}

/// Draws a crate: the name, and the modules in order. Each module may use the modules behind it.
fn drawn(order: &LayerList) -> String {
    let mut text = format!("{:<18}", order.name);
    let mut columns = 18;
    for (place, layer) in order.layers.iter().enumerate() {
        let length = layer.module.len() + " · ".chars().count();
        if place > 0 && columns + length > COLUMNS {
            text += &format!(" ·\n{:<18}", "");
            columns = 18;
        } else if place > 0 {
            text += " · ";
        }
        text += &layer.module;
        columns += length;
    }
    text + "\n"
}

/// Returns the differences between a crate's modules and the code map's rows below the crate's own
/// row. A crate without a row of its own has none.
fn unmapped(document: &str, order: &LayerList) -> Vec<String> {
    let own = format!("| `crates/{}` |", order.name);
    let below = document.lines().skip_while(|line| !line.starts_with(&own)).skip(1);
    let rows = below.take_while(|line| line.starts_with("| `  "));
    let named: Vec<&str> = rows
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    if named.is_empty() {
        return Vec::new();
    }
    let named: Vec<&str> = named.into_iter().map(str::trim).collect();
    let missing = order
        .layers
        .iter()
        .map(|layer| layer.module.as_str())
        .filter(|module| !named.contains(module));
    let strange = named.iter().filter(|name| order.place(name).is_none());
    missing
        .map(|module| format!("the code map lacks `{module}` of {}", order.name))
        .chain(
            strange.map(|name| format!("the code map has `{name}`, which {} has not", order.name)),
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::order;
    use super::faults;

    #[test]
    fn a_drawing_goes_with_the_order() {
        let orders = order::read("[house]\nroof = \"a\"\nwall = \"b\"\n").unwrap();
        let drawing = "house             roof · wall\n";
        let map = "| `crates/house` | dry |\n| `  roof`, `wall` | both |\n| `crates/other` | wet |\n| `  sea` | x |\n";
        assert_eq!(faults(&format!("{drawing}{map}"), &orders), Vec::<String>::new());
        assert_eq!(faults(drawing, &orders), Vec::<String>::new());
        for (text, why) in [
            (
                format!("house             wall · roof\n{map}"),
                "these lines should stand there:\nhouse             roof · wall\n",
            ),
            (
                format!("{drawing}{}", map.replace(", `wall`", "")),
                "the code map lacks `wall` of house",
            ),
            (
                format!("{drawing}{}", map.replace("wall", "door")),
                "the code map has `door`, which house has not",
            ),
        ] {
            assert!(faults(&text, &orders).iter().any(|fault| fault.contains(why)), "{text}");
        }
    }
}
